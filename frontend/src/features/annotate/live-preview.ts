/**
 * The mask that the boxes of a slice would give, while somebody draws. Asked for a moment after the last change, given up as
 * soon as the slice or its boxes are others, and never waited for: without an answer all else goes on.
 */
import { api, unwrap } from "@/api/client";
import type { Editor } from "@/canvas/editor";
import type { Box } from "@/canvas/geometry";
import type { Inflate } from "@/canvas/inflate";
import type { MaskLayer } from "@/canvas/render";
import { Store } from "./store";

export interface PreviewMask extends MaskLayer {
  readonly z: number;
}

export type AskPreview = (z: number, boxes: readonly Box[], signal: AbortSignal) => Promise<PreviewMask>;

export interface LivePreviewOptions {
  readonly editor: Editor;
  readonly ask: AskPreview;
  /** Show this; null: nothing, since what was shown is of other boxes. */
  readonly tell: (mask: PreviewMask | null) => void;
}

const REST_MS = 200;
/** The server takes no more on one slice. */
const MOST_BOXES = 16;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
const KEPT = 200;

export class LivePreview extends Store<{ readonly off: boolean }> {
  private readonly kept = new Map<string, PreviewMask>();
  private key = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: AbortController | null = null;
  private pause = FIRST_PAUSE_MS;
  /** Not asked again before, in ms of the page's clock. */
  private notBefore = 0;

  constructor(private readonly options: LivePreviewOptions) {
    super({ off: false });
  }

  /** Follow the editor. Returns the function that ends it. */
  start(): () => void {
    const unsubscribe = this.options.editor.subscribe(this.look);
    this.look();
    return () => {
      unsubscribe();
      this.giveUp();
      this.key = "";
      this.options.tell(null);
    };
  }

  private readonly look = (): void => {
    const { editor } = this.options;
    const { z, readOnly } = editor.getSnapshot();
    const boxes = readOnly ? [] : editor.boxes().map(({ box }) => box);
    const key = JSON.stringify([z, boxes]);
    if (key === this.key) return;
    this.key = key;
    this.giveUp();
    const known = this.kept.get(key) ?? null;
    this.options.tell(known);
    if (known !== null || boxes.length === 0 || boxes.length > MOST_BOXES) return;
    const wait = Math.max(REST_MS, this.notBefore - performance.now());
    this.timer = setTimeout(() => void this.ask(key, z, boxes), wait);
  };

  private giveUp(): void {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.asking = null;
  }

  private async ask(key: string, z: number, boxes: readonly Box[]): Promise<void> {
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const mask = await this.options.ask(z, boxes, signal);
      if (signal.aborted) return;
      this.keep(key, mask);
      this.pause = FIRST_PAUSE_MS;
      this.set({ off: false });
      this.options.tell(mask);
    } catch {
      if (signal.aborted) return;
      this.set({ off: true });
      this.notBefore = performance.now() + this.pause;
      this.timer = setTimeout(() => void this.ask(key, z, boxes), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
    }
  }

  private keep(key: string, mask: PreviewMask): void {
    this.kept.set(key, mask);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT && oldest !== undefined) this.kept.delete(oldest);
  }
}

/** Asks the server for previews of one assignment. */
export function askPreview(assignmentId: string, inflate: Inflate): AskPreview {
  const params = { path: { assignment_id: assignmentId } };
  return async (z, boxes, signal) => {
    const body = { slice: z, boxes: boxes.map((box) => [...box]) };
    const answer = await unwrap(
      api.POST("/api/v1/assignments/{assignment_id}/preview", { params, body, signal }),
    );
    const [x0, y0, x1, y1] = answer.box as [number, number, number, number];
    const packed = Uint8Array.from(atob(answer.bits), (letter) => letter.charCodeAt(0));
    const bits = new Uint8Array(await inflate(packed.buffer));
    return { z, bits, region: { x0, y0, columns: x1 - x0, rows: y1 - y0 } };
  };
}
