/**
 * One state machine for mouse, touch and pen. Events come in as plain objects (CSS pixels from the canvas's corner),
 * intents go out; nothing here knows the DOM, the document or the zoom.
 *
 * One finger, the pen or the left button draws, or moves and resizes the selected box. A second finger cancels that and
 * pans and zooms (or scrolls). Middle button, or space and drag, pans; right button windows; the wheel scrolls, with ctrl
 * it zooms. In corner mode two taps make a box, without any dragging. A cancelled pointer never commits anything.
 */
import type { Handle, Point } from "./geometry";
import type { Hit } from "./hit";

export interface PointerInput {
  readonly type: "down" | "move" | "up" | "cancel";
  readonly id: number;
  readonly pointer: "mouse" | "touch" | "pen";
  /** 0 left or contact, 1 middle, 2 right; only read on "down". */
  readonly button: number;
  readonly x: number;
  readonly y: number;
  /** The space bar is held. */
  readonly space?: boolean;
}
export interface WheelInput {
  readonly type: "wheel";
  readonly x: number;
  readonly y: number;
  /** In CSS pixels; positive is down. The DOM's lines count 33 each. */
  readonly dy: number;
  readonly ctrl: boolean;
}
export type GestureInput = PointerInput | WheelInput;

export interface GestureSettings {
  /** "corners" is the mode without dragging. */
  readonly draw: "drag" | "corners";
  readonly twoFingers: "zoom" | "scroll";
}

/**
 * Places are CSS pixels. `from` is where the pointer went down (or the first corner was tapped): turn it into slice
 * coordinates at "draw-start" or the first "edit-preview" and keep that, since zoom or pan may move it meanwhile.
 */
export type Intent =
  | { readonly kind: "draw-start"; readonly from: Point }
  | { readonly kind: "draw-preview"; readonly from: Point; readonly to: Point }
  | { readonly kind: "draw-commit"; readonly from: Point; readonly to: Point }
  | { readonly kind: "draw-cancel" }
  | ({ readonly kind: "edit-preview" | "edit-commit"; readonly from: Point; readonly to: Point } & Grabbed)
  | { readonly kind: "edit-cancel"; readonly trackId: string }
  | { readonly kind: "pan"; readonly dx: number; readonly dy: number }
  | { readonly kind: "zoom"; readonly at: Point; readonly factor: number }
  | { readonly kind: "scroll"; readonly slices: number }
  | { readonly kind: "window"; readonly dx: number; readonly dy: number }
  | { readonly kind: "tap"; readonly at: Point; readonly hit: Hit | null };

/** What is moved: the whole box (handle null) or the edges of a handle. */
export interface Grabbed {
  readonly trackId: string;
  readonly handle: Handle | null;
}

type State =
  | { readonly name: "idle" }
  | {
      readonly name: "pressed";
      readonly id: number;
      readonly from: Point;
      readonly slop: number;
      readonly hit: Hit | null;
    }
  | { readonly name: "drawing"; readonly id: number; readonly from: Point }
  | { readonly name: "editing"; readonly id: number; readonly from: Point; readonly grabbed: Grabbed }
  | { readonly name: "dragging"; readonly id: number; readonly does: "pan" | "window"; readonly at: Point }
  | { readonly name: "fingers"; readonly scrolled: number }
  /** Fingers are still down, but what they did is over: nothing until all are up. */
  | { readonly name: "spent" };

const SLOP_MOUSE = 3;
const SLOP_TOUCH = 8;
const PX_PER_SLICE_TOUCH = 24;
const PX_PER_SLICE_TRACKPAD = 30;
/** A wheel event of at least this many pixels is one notch of a mouse: one slice, however far the system says. */
const NOTCH = 40;
const IDLE: State = { name: "idle" };

export class Gestures {
  private state: State = IDLE;
  private readonly fingers = new Map<number, Point>();
  private firstCorner: Point | null = null;
  private wheel = 0;

  /**
   * @param hitAt what is under a point (CSS pixels), for this kind of pointer: `canvas/hit`.
   * @param emit takes the intents, in order.
   */
  constructor(
    private readonly hitAt: (point: Point, pointer: PointerInput["pointer"]) => Hit | null,
    private readonly emit: (intent: Intent) => void,
    private settings: GestureSettings = { draw: "drag", twoFingers: "zoom" },
  ) {}

  configure(settings: GestureSettings): void {
    if (settings.draw !== this.settings.draw) this.cancel();
    this.settings = settings;
  }

  /** The first of two corners, while the second is awaited. */
  get corner(): Point | null {
    return this.firstCorner;
  }

  /** Whether something is under way that a slice change would spoil. */
  get isBusy(): boolean {
    return this.state.name === "drawing" || this.state.name === "editing";
  }

  /** Give up what is under way: Escape, slice change, lost focus. Nothing is committed. */
  cancel(): void {
    this.abandon();
    if (this.firstCorner !== null) {
      this.firstCorner = null;
      this.emit({ kind: "draw-cancel" });
    }
    this.state = this.fingers.size > 0 ? { name: "spent" } : IDLE;
  }

  handle(input: GestureInput): void {
    switch (input.type) {
      case "wheel":
        return this.onWheel(input);
      case "down":
        return this.onDown(input);
      case "move":
        return this.onMove(input);
      case "up":
        return this.onUp(input);
      case "cancel":
        this.abandon();
        this.fingers.delete(input.id);
        this.state = this.fingers.size > 0 ? { name: "spent" } : IDLE;
    }
  }

  private onDown(input: PointerInput): void {
    const at = { x: input.x, y: input.y };
    if (input.pointer === "touch") {
      // The hand that rests on the screen while the pen or the mouse is at work.
      if ("id" in this.state && !this.fingers.has(this.state.id)) return;
      this.fingers.set(input.id, at);
      if (this.fingers.size >= 2) {
        this.abandon();
        this.state =
          this.fingers.size === 2 && this.state.name !== "spent"
            ? { name: "fingers", scrolled: 0 }
            : { name: "spent" };
        return;
      }
    }
    // Another pointer while one is at work: ignored.
    if (this.state.name !== "idle") return;
    if (input.button === 1 || input.space) this.state = { name: "dragging", id: input.id, does: "pan", at };
    else if (input.button === 2) this.state = { name: "dragging", id: input.id, does: "window", at };
    else if (input.button === 0) {
      const slop = input.pointer === "mouse" ? SLOP_MOUSE : SLOP_TOUCH;
      this.state = { name: "pressed", id: input.id, from: at, slop, hit: this.hitAt(at, input.pointer) };
    }
  }

  private onMove(input: PointerInput): void {
    const at = { x: input.x, y: input.y };
    const before = this.fingers.get(input.id);
    if (before !== undefined) this.fingers.set(input.id, at);
    const state = this.state;
    if (state.name === "fingers" && before !== undefined)
      return this.onFingers(input.id, before, at, state.scrolled);
    if (state.name === "idle" || state.name === "spent" || state.name === "fingers") {
      // The outline follows the mouse between the two taps.
      if (this.firstCorner !== null && state.name === "idle") {
        this.emit({ kind: "draw-preview", from: this.firstCorner, to: at });
      }
      return;
    }
    if (state.id !== input.id) return;
    if (state.name === "dragging") {
      this.emit({ kind: state.does, dx: at.x - state.at.x, dy: at.y - state.at.y });
      this.state = { ...state, at };
    } else if (state.name === "drawing") {
      this.emit({ kind: "draw-preview", from: state.from, to: at });
    } else if (state.name === "editing") {
      this.emit({ kind: "edit-preview", from: state.from, to: at, ...state.grabbed });
    } else if (Math.hypot(at.x - state.from.x, at.y - state.from.y) > state.slop) {
      this.begin(state.id, state.from, at, state.hit);
    }
  }

  private begin(id: number, from: Point, at: Point, hit: Hit | null): void {
    if (hit?.kind === "handle" || (hit?.kind === "box" && hit.selected)) {
      const grabbed = { trackId: hit.trackId, handle: hit.kind === "handle" ? hit.handle : null };
      this.state = { name: "editing", id, from, grabbed };
      this.emit({ kind: "edit-preview", from, to: at, ...grabbed });
    } else if (this.settings.draw === "corners") {
      // Dragging does not draw here, and a shaky tap is still a tap: see onUp.
    } else {
      this.state = { name: "drawing", id, from };
      this.emit({ kind: "draw-start", from });
      this.emit({ kind: "draw-preview", from, to: at });
    }
  }

  private onUp(input: PointerInput): void {
    const at = { x: input.x, y: input.y };
    this.fingers.delete(input.id);
    const state = this.state;
    if (state.name === "fingers" || state.name === "spent") {
      this.state = this.fingers.size > 0 ? { name: "spent" } : IDLE;
      return;
    }
    if (state.name === "idle" || state.id !== input.id) return;
    this.state = IDLE;
    if (state.name === "drawing") this.emit({ kind: "draw-commit", from: state.from, to: at });
    else if (state.name === "editing")
      this.emit({ kind: "edit-commit", from: state.from, to: at, ...state.grabbed });
    else if (state.name === "pressed") this.onTap(at, state.hit);
  }

  private onTap(at: Point, hit: Hit | null): void {
    if (this.settings.draw === "drag") return this.emit({ kind: "tap", at, hit });
    if (this.firstCorner !== null) {
      const from = this.firstCorner;
      this.firstCorner = null;
      this.emit({ kind: "draw-commit", from, to: at });
    } else if (hit !== null) {
      this.emit({ kind: "tap", at, hit });
    } else {
      this.firstCorner = at;
      this.emit({ kind: "draw-start", from: at });
    }
  }

  private onFingers(id: number, before: Point, at: Point, scrolled: number): void {
    const other = [...this.fingers].find(([key]) => key !== id)?.[1];
    if (other === undefined) return;
    const dx = (at.x - before.x) / 2;
    const dy = (at.y - before.y) / 2;
    if (this.settings.twoFingers === "scroll") {
      const total = scrolled + dy;
      const slices = Math.trunc(total / PX_PER_SLICE_TOUCH);
      if (slices !== 0) this.emit({ kind: "scroll", slices });
      this.state = { name: "fingers", scrolled: total - slices * PX_PER_SLICE_TOUCH };
      return;
    }
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const now = Math.hypot(at.x - other.x, at.y - other.y);
    this.emit({ kind: "pan", dx, dy });
    if (was > 1 && now > 1 && was !== now) {
      this.emit({
        kind: "zoom",
        at: { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 },
        factor: now / was,
      });
    }
  }

  private onWheel(input: WheelInput): void {
    if (input.ctrl) {
      const factor = Math.exp(-Math.max(-100, Math.min(100, input.dy)) * 0.004);
      this.emit({ kind: "zoom", at: { x: input.x, y: input.y }, factor });
      return;
    }
    if (this.isBusy) return;
    if (Math.abs(input.dy) >= NOTCH) {
      this.wheel = 0;
      this.emit({ kind: "scroll", slices: Math.sign(input.dy) });
      return;
    }
    this.wheel += input.dy;
    const slices = Math.trunc(this.wheel / PX_PER_SLICE_TRACKPAD);
    if (slices === 0) return;
    this.wheel -= slices * PX_PER_SLICE_TRACKPAD;
    this.emit({ kind: "scroll", slices });
  }

  /** Tell that a drawing or a change under way is void. */
  private abandon(): void {
    if (this.state.name === "drawing") this.emit({ kind: "draw-cancel" });
    else if (this.state.name === "editing") {
      this.emit({ kind: "edit-cancel", trackId: this.state.grabbed.trackId });
    }
    if (this.state.name !== "spent") this.state = IDLE;
  }
}
