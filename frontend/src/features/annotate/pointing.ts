/** From gestures on the viewer to changes of the work: keeps where a drag began, in slice coordinates. */
import { t } from "@lingui/core/macro";
import { boxesOn } from "@/canvas/document";
import { type Box, moveBox, type Point, resizeBox, snapBox } from "@/canvas/geometry";
import { type GestureSettings, Gestures, type Intent } from "@/canvas/gestures";
import { type Hit, hitTest, REACH_MOUSE, REACH_TOUCH } from "@/canvas/hit";
import { boxToScreen, panned, toSlice, type Viewport, zoomedAt } from "@/canvas/viewport";
import { draggedWindow } from "@/canvas/window";
import type { Toasts } from "@/shared/ui/toast";
import type { Session, Work } from "./session";

interface Begun {
  readonly from: Point;
  /** The box as it was, when one is moved. */
  readonly box: Box | null;
}

export class Pointing {
  readonly gestures: Gestures;
  private begun: Begun | null = null;

  constructor(
    private readonly session: Session,
    private readonly work: Work,
    private readonly toasts: Toasts,
  ) {
    this.gestures = new Gestures(this.hitAt, this.take);
  }

  configure(settings: GestureSettings): void {
    this.gestures.configure(settings);
  }

  private get view(): Viewport | null {
    return this.work.look.getSnapshot().view;
  }

  private readonly hitAt = (point: Point, pointer: "mouse" | "touch" | "pen"): Hit | null => {
    const { view } = this;
    const { document, z, selected, readOnly } = this.work.editor.getSnapshot();
    if (view === null) return null;
    const boxes = boxesOn(document, z).map(({ trackId, box }) => ({
      trackId,
      rect: boxToScreen(view, box),
      selected: trackId === selected && !readOnly,
    }));
    return hitTest(point, boxes, pointer === "touch" ? REACH_TOUCH : REACH_MOUSE);
  };

  private readonly take = (intent: Intent): void => {
    try {
      this.on(intent);
    } catch {
      this.work.editor.setDraft(null);
      this.refused();
    }
  };

  private on(intent: Intent): void {
    const { view, work } = this;
    const { editor, look, size } = work;
    if (view === null) return;
    const { z, readOnly } = editor.getSnapshot();
    switch (intent.kind) {
      case "draw-start":
        this.begun = { from: toSlice(view, intent.from), box: null };
        return;
      case "draw-preview":
      case "draw-commit": {
        if (readOnly) return intent.kind === "draw-commit" ? this.refused() : undefined;
        const from = this.begun?.from ?? toSlice(view, intent.from);
        const box = snapBox(from, toSlice(view, intent.to), size);
        if (intent.kind === "draw-preview") return editor.setDraft({ trackId: null, box });
        this.begun = null;
        editor.drawBox(z, box);
        return this.drawn(z);
      }
      case "draw-cancel":
      case "edit-cancel":
        this.begun = null;
        return editor.setDraft(null);
      case "edit-preview":
      case "edit-commit": {
        this.begun ??= { from: toSlice(view, intent.from), box: this.boxOf(intent.trackId) };
        const { from, box } = this.begun;
        if (intent.kind === "edit-commit") this.begun = null;
        if (box === null || readOnly) return editor.setDraft(null);
        const to = toSlice(view, intent.to);
        const [dx, dy] = [to.x - from.x, to.y - from.y];
        const changed =
          intent.handle === null ? moveBox(box, dx, dy, size) : resizeBox(box, intent.handle, dx, dy, size);
        if (intent.kind === "edit-preview") {
          return editor.setDraft({ trackId: intent.trackId, box: changed });
        }
        editor.editBox(intent.trackId, z, changed);
        return this.drawn(z);
      }
      case "pan":
        return look.setView(panned(view, intent.dx, intent.dy));
      case "zoom":
        return look.setView(zoomedAt(view, intent.at, intent.factor));
      case "scroll":
        return editor.step(intent.slices);
      case "window":
        return this.session.setWindow(draggedWindow(look.getSnapshot().window, intent.dx, intent.dy));
      case "tap":
        return editor.select(intent.hit?.trackId ?? null);
    }
  }

  private drawn(z: number): void {
    const slice = z + 1;
    this.toasts.announce(t`Box kept on slice ${slice}`);
  }

  private refused(): void {
    this.toasts.show({ text: t`Nothing can be drawn here now.`, lasts: 3_000 });
  }

  private boxOf(trackId: string): Box | null {
    const { document, z } = this.work.editor.getSnapshot();
    return boxesOn(document, z).find((box) => box.trackId === trackId)?.box ?? null;
  }
}
