/** How a person looks at a task: window, zoom, place. Remembered per task while the browser's tab is open. */
import type { SliceSize } from "@/canvas/geometry";
import {
  atPlace,
  bodyBox,
  createViewport,
  fitted,
  type Place,
  placeOf,
  type Viewport,
  wholeSlice,
} from "@/canvas/viewport";
import type { ValueScale, Window } from "@/canvas/window";
import { Store } from "./store";

export interface LookSnapshot {
  readonly window: Window;
  /** Null until the screen's size is known. */
  readonly view: Viewport | null;
  readonly showMask: boolean;
}

interface Kept {
  readonly window?: Window;
  readonly place?: Place | undefined;
  readonly z?: number;
}

export interface LookOptions {
  readonly key: string;
  readonly size: SliceSize;
  readonly spacing: { readonly x: number; readonly y: number };
  readonly window: Window;
  readonly values: ValueScale;
  /** What is at most air, in the volume's unit. */
  readonly air: number;
}

export class Look extends Store<LookSnapshot> {
  private kept: Kept;
  private body: ReturnType<typeof bodyBox> | null = null;
  private writing: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly options: LookOptions) {
    const kept = read(options.key);
    super({ window: kept.window ?? options.window, view: null, showMask: true });
    this.kept = kept;
  }

  /** The slice that was last on the screen. */
  get slice(): number | undefined {
    return this.kept.z;
  }

  /** The place a person chose stays in the middle at its zoom; else the body is fitted, whatever the screen's size becomes. */
  resize(width: number, height: number): void {
    if (width <= 0 || height <= 0) return;
    const view = createViewport(width, height, this.options.size, this.options.spacing);
    const { place } = this.kept;
    this.set({ view: place === undefined ? view : atPlace(view, place) });
    if (place === undefined) this.fitBody();
  }

  /** The first picture: show the body, not the air around it, unless this person had already chosen a place. */
  firstPicture(values: Int16Array): void {
    if (this.body !== null) return;
    const { size, values: scale, air } = this.options;
    this.body = bodyBox(values, size, (air - scale.offset) / scale.scale);
    if (this.kept.place === undefined) this.fitBody();
  }

  /** Show the whole body, and go on doing so. */
  readonly fit = (): void => {
    this.keep({ place: undefined });
    this.fitBody();
  };

  setView(view: Viewport): void {
    this.set({ view });
    this.keep({ place: placeOf(view) });
  }

  setWindow(window: Window): void {
    this.set({ window });
    this.keep({ window });
  }

  rememberSlice(z: number): void {
    this.keep({ z });
  }

  private fitBody(): void {
    const { view } = this.getSnapshot();
    if (view === null) return;
    this.set({ view: fitted(view, this.body ?? wholeSlice(this.options.size), 10) });
  }

  private keep(change: Kept): void {
    this.kept = { ...this.kept, ...change };
    if (this.writing !== null) return;
    this.writing = setTimeout(() => {
      this.writing = null;
      try {
        sessionStorage.setItem(this.options.key, JSON.stringify(this.kept));
      } catch {
        // Full or forbidden: it is only remembered until the page is closed.
      }
    }, 300);
  }
}

function read(key: string): Kept {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    return typeof kept === "object" && kept !== null ? (kept as Kept) : {};
  } catch {
    return {};
  }
}
