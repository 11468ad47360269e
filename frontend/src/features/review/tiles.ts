/** How the three planes and the rendering share a picture, so that little of it stays black. */
import { PLANES, type Plane, planeSize } from "./planes";
import type { Scan } from "./scan";

/** Left, top, width and height as shares of the picture. */
type Position = readonly [left: number, top: number, width: number, height: number];

export interface Tile {
  readonly shows: Plane | "render";
  readonly position: Position;
}

export interface Tiling {
  readonly tiles: readonly Tile[];
  /** Between that of the plane that is drawn smallest and that of the largest. */
  readonly pixelsPerMm: number;
}

/** Each in the order axial, coronal, sagittal, rendering. */
const TILINGS: readonly (readonly Position[])[] = [
  [
    [0, 0, 0.5, 0.5],
    [0.5, 0, 0.5, 0.5],
    [0.5, 0.5, 0.5, 0.5],
    [0, 0.5, 0.5, 0.5],
  ],
  [
    [0, 0, 0.25, 1],
    [0.25, 0, 0.25, 1],
    [0.5, 0, 0.25, 1],
    [0.75, 0, 0.25, 1],
  ],
  [
    [0, 0, 0.5, 1],
    [0.5, 0, 0.25, 0.5],
    [0.75, 0, 0.25, 0.5],
    [0.5, 0.5, 0.5, 0.5],
  ],
  [
    [0, 0, 0.4, 1],
    [0.4, 0, 0.3, 0.5],
    [0.4, 0.5, 0.3, 0.5],
    [0.7, 0, 0.3, 1],
  ],
  [
    [0, 0, 1, 0.6],
    [0, 0.6, 1 / 3, 0.4],
    [1 / 3, 0.6, 1 / 3, 0.4],
    [2 / 3, 0.6, 1 / 3, 0.4],
  ],
  [
    [0, 0, 1, 0.5],
    [0, 0.5, 0.5, 0.25],
    [0.5, 0.5, 0.5, 0.25],
    [0, 0.75, 1, 0.25],
  ],
];

/** The tiling in which the scan covers most of a picture of that size in pixels. */
export function tilingOf(
  width: number,
  height: number,
  scan: Pick<Scan, "shape" | "spacing">,
  gap: number,
): Tiling {
  const sizes = PLANES.map((plane) => planeSize(plane, scan));
  let best: { covered: number; tiling: Tiling } | undefined;
  for (const positions of TILINGS) {
    const scales = sizes.map((size, i) => {
      const [, , w = 0, h = 0] = positions[i] ?? [];
      return Math.min((w * width) / size.width, (h * height) / size.height);
    });
    const [, , w = 0, h = 0] = positions[3] ?? [];
    const rendering = Math.min(w * width, h * height) ** 2;
    const covered = sizes.reduce(
      (sum, size, i) => sum + size.width * size.height * (scales[i] ?? 0) ** 2,
      rendering,
    );
    if (best !== undefined && covered <= best.covered) continue;
    const tiles = ([...PLANES, "render"] as const).map((shows, i) => ({
      shows,
      position: inset(positions[i] ?? [0, 0, 1, 1], gap / width, gap / height),
    }));
    best = { covered, tiling: { tiles, pixelsPerMm: Math.sqrt(Math.min(...scales) * Math.max(...scales)) } };
  }
  if (best === undefined) throw new Error("There are tilings.");
  return best.tiling;
}

/** Smaller by half a gap on each side. */
function inset([left, top, width, height]: Position, x: number, y: number): Position {
  return [left + x / 2, top + y / 2, width - x, height - y];
}
