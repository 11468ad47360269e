/** Which box or handle is at a place on the screen. All in CSS pixels, so zoom does not change how easy it is to grab. */
import type { Handle, Point } from "./geometry";
import type { ScreenBox } from "./viewport";

export interface HitBox {
  readonly trackId: string;
  readonly rect: ScreenBox;
  /** Only the selected box shows handles. */
  readonly selected: boolean;
}

export type Hit =
  | { readonly kind: "handle"; readonly trackId: string; readonly handle: Handle }
  | { readonly kind: "box"; readonly trackId: string; readonly selected: boolean };

/** Half of a 44 px target, for fingers. */
export const REACH_TOUCH = 22;
export const REACH_MOUSE = 9;

/** Where the handles of a box are drawn. */
export function handlePoints(rect: ScreenBox): Readonly<Record<Handle, Point>> {
  const { left, top, width, height } = rect;
  const [right, bottom, x, y] = [left + width, top + height, left + width / 2, top + height / 2];
  return {
    nw: { x: left, y: top },
    n: { x, y: top },
    ne: { x: right, y: top },
    e: { x: right, y },
    se: { x: right, y: bottom },
    s: { x, y: bottom },
    sw: { x: left, y: bottom },
    w: { x: left, y },
  };
}

/**
 * -1 at the lower edge, 1 at the upper one, 0 between them, null beyond reach. The reach goes outwards in full and inwards
 * at most a quarter of the box, so that a small box can still be moved by its middle.
 */
function side(value: number, low: number, high: number, reach: number): -1 | 0 | 1 | null {
  const inwards = Math.min(reach, (high - low) / 4);
  if (value < low - reach || value > high + reach) return null;
  if (value <= low + inwards) return -1;
  return value >= high - inwards ? 1 : 0;
}

function handleAt(point: Point, rect: ScreenBox, reach: number): Handle | "inside" | null {
  const horizontal = side(point.x, rect.left, rect.left + rect.width, reach);
  const vertical = side(point.y, rect.top, rect.top + rect.height, reach);
  if (horizontal === null || vertical === null) return null;
  const name = `${["n", "", "s"][vertical + 1]}${["w", "", "e"][horizontal + 1]}`;
  return name === "" ? "inside" : (name as Handle);
}

/** The handle of the selected box, else the smallest box that holds the point, else null. */
export function hitTest(point: Point, boxes: readonly HitBox[], reach: number): Hit | null {
  for (const { trackId, rect, selected } of boxes) {
    const at = selected ? handleAt(point, rect, reach) : null;
    if (at === "inside") return { kind: "box", trackId, selected: true };
    if (at !== null) return { kind: "handle", trackId, handle: at };
  }
  const holding = boxes
    .filter(({ rect }) => {
      // A box smaller than a finger is grown to one.
      const mx = Math.max(0, reach - rect.width / 2);
      const my = Math.max(0, reach - rect.height / 2);
      return (
        point.x >= rect.left - mx &&
        point.x <= rect.left + rect.width + mx &&
        point.y >= rect.top - my &&
        point.y <= rect.top + rect.height + my
      );
    })
    .sort((a, b) => a.rect.width * a.rect.height - b.rect.width * b.rect.height);
  const found = holding[0];
  return found === undefined ? null : { kind: "box", trackId: found.trackId, selected: found.selected };
}
