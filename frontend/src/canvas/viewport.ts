/**
 * Where a slice stands on the screen. Slice coordinates are voxel edges (x columns, y rows); screen coordinates are CSS
 * pixels from the canvas's upper left corner. Zoom, pan and device pixels only ever change this, never a stored box.
 */
import type { Box, Point, SliceSize } from "./geometry";

export interface Viewport {
  /** Of the canvas, in CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly size: SliceSize;
  /** Millimetres per voxel along x and y: the picture has its true proportions. */
  readonly spacing: Point;
  /** CSS pixels per millimetre. */
  readonly scale: number;
  /** What stands in the middle of the canvas, in voxel edges. */
  readonly center: Point;
}

/** A rectangle on the screen, in CSS pixels. */
export interface ScreenBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** CSS pixels per voxel at the closest zoom, along the finer axis. */
const CLOSEST = 48;
/** Share of the fitted scale at the farthest zoom. */
const FARTHEST = 0.5;

/** A viewport that shows the whole slice. */
export function createViewport(width: number, height: number, size: SliceSize, spacing: Point): Viewport {
  const center = { x: size.columns / 2, y: size.rows / 2 };
  return fitted({ width, height, size, spacing, scale: 1, center }, wholeSlice(size));
}

export function wholeSlice(size: SliceSize): Box {
  return [0, 0, size.columns, size.rows];
}

export function toScreen(view: Viewport, point: Point): Point {
  return {
    x: view.width / 2 + (point.x - view.center.x) * view.spacing.x * view.scale,
    y: view.height / 2 + (point.y - view.center.y) * view.spacing.y * view.scale,
  };
}

/** Inverse of `toScreen`: voxel edges, not rounded, perhaps outside the slice. */
export function toSlice(view: Viewport, point: Point): Point {
  return {
    x: view.center.x + (point.x - view.width / 2) / (view.spacing.x * view.scale),
    y: view.center.y + (point.y - view.height / 2) / (view.spacing.y * view.scale),
  };
}

export function boxToScreen(view: Viewport, box: Box): ScreenBox {
  const a = toScreen(view, { x: box[0], y: box[1] });
  const b = toScreen(view, { x: box[2], y: box[3] });
  return { left: a.x, top: a.y, width: b.x - a.x, height: b.y - a.y };
}

function fitScale(view: Viewport, box: Box, margin: number): number {
  const w = Math.max(1, view.width - 2 * margin) / ((box[2] - box[0]) * view.spacing.x);
  const h = Math.max(1, view.height - 2 * margin) / ((box[3] - box[1]) * view.spacing.y);
  return Math.min(w, h);
}

/** Show `box` (voxel edges) as large as it fits, with `margin` CSS pixels around it. */
export function fitted(view: Viewport, box: Box, margin = 8): Viewport {
  const center = { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 };
  return clamped({ ...view, center, scale: fitScale(view, box, margin) });
}

/** Within the limits of zoom, and with the middle of the canvas on the slice. */
export function clamped(view: Viewport): Viewport {
  const least = fitScale(view, wholeSlice(view.size), 0) * FARTHEST;
  const most = Math.max(least, CLOSEST / Math.min(view.spacing.x, view.spacing.y));
  const scale = Math.min(Math.max(view.scale, least), most);
  const center = {
    x: Math.min(Math.max(view.center.x, 0), view.size.columns),
    y: Math.min(Math.max(view.center.y, 0), view.size.rows),
  };
  return { ...view, scale, center };
}

/** Zoom by `factor`; what is under `at` (CSS pixels) stays there, as far as the limits allow. */
export function zoomedAt(view: Viewport, at: Point, factor: number): Viewport {
  const held = toSlice(view, at);
  const zoomed = clamped({ ...view, scale: view.scale * factor });
  const now = toSlice(zoomed, at);
  const center = { x: zoomed.center.x + held.x - now.x, y: zoomed.center.y + held.y - now.y };
  return clamped({ ...zoomed, center });
}

/** Move the picture by CSS pixels. */
export function panned(view: Viewport, dx: number, dy: number): Viewport {
  const x = view.center.x - dx / (view.spacing.x * view.scale);
  const y = view.center.y - dy / (view.spacing.y * view.scale);
  return clamped({ ...view, center: { x, y } });
}

/** Zoom and place, to be remembered per task; independent of the canvas's size. */
export interface Place {
  readonly center: Point;
  /** Scale over the scale that fits the whole slice. */
  readonly zoom: number;
}

export function placeOf(view: Viewport): Place {
  return { center: view.center, zoom: view.scale / fitScale(view, wholeSlice(view.size), 0) };
}

export function atPlace(view: Viewport, place: Place): Viewport {
  const scale = place.zoom * fitScale(view, wholeSlice(view.size), 0);
  return clamped({ ...view, center: place.center, scale });
}

/**
 * The smallest box around the body: columns and rows of which at least `share` is brighter than `air` (stored values).
 * A table or a few noisy voxels are thinner than that. The whole slice when nothing is bright.
 */
export function bodyBox(values: ArrayLike<number>, size: SliceSize, air: number, share = 0.04): Box {
  const inColumn = new Uint32Array(size.columns);
  const inRow = new Uint32Array(size.rows);
  for (let y = 0, i = 0; y < size.rows; y++) {
    for (let x = 0; x < size.columns; x++, i++) {
      if ((values[i] ?? air) > air) {
        inColumn[x] = (inColumn[x] ?? 0) + 1;
        inRow[y] = (inRow[y] ?? 0) + 1;
      }
    }
  }
  const span = (counts: Uint32Array, of: number): [number, number] | null => {
    const enough = (n: number): boolean => n >= Math.max(1, of * share);
    const first = counts.findIndex(enough);
    return first < 0 ? null : [first, counts.findLastIndex(enough) + 1];
  };
  const x = span(inColumn, size.rows);
  const y = span(inRow, size.columns);
  return x === null || y === null ? wholeSlice(size) : [x[0], y[0], x[1], y[1]];
}
