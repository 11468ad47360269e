/**
 * Box maths. A box is a half-open rectangle `[x0, y0, x1, y1]` in voxel edges of one slice: voxel i spans the edges i to
 * i + 1. x counts columns (to the patient's left), y rows (to the back). Drawn boxes lie on whole voxels.
 */
import { Refusal } from "./errors";

export type Box = readonly [x0: number, y0: number, x1: number, y1: number];
/** A place on a slice in voxel edges, or on the screen in CSS pixels: the function says which. */
export interface Point {
  readonly x: number;
  readonly y: number;
}
/** Columns and rows of a slice, in voxels. */
export interface SliceSize {
  readonly columns: number;
  readonly rows: number;
}

/** Voxels. Thinner boxes come from broken files and are refused. */
export const SMALLEST_EDGE = 0.5;
/** Voxels by which every edge may differ in two boxes that count as the same. */
export const SAME_BOX = 1e-6;

export function width(box: Box): number {
  return box[2] - box[0];
}

export function height(box: Box): number {
  return box[3] - box[1];
}

/** In voxels. */
export function area(box: Box): number {
  return width(box) * height(box);
}

/** Refuse what is no box. Throws `box_invalid`. */
export function checkBox(box: Box): void {
  if (box.length !== 4 || !box.every(Number.isFinite)) {
    throw new Refusal("box_invalid", `The box ${box.join(", ")} has an edge that is not a number.`);
  }
  if (box[2] <= box[0] || box[3] <= box[1]) {
    throw new Refusal("box_invalid", `The box ${box.join(", ")} is empty: it needs x0 < x1 and y0 < y1.`);
  }
}

/** Refuse a box that leaves the slice or is thinner than half a voxel. Throws `box_invalid`. */
export function checkInside(box: Box, size: SliceSize): void {
  if (box[0] < 0 || box[1] < 0 || box[2] > size.columns || box[3] > size.rows) {
    throw new Refusal(
      "box_invalid",
      `The box ${box.join(", ")} leaves the slice of ${size.columns} x ${size.rows} voxels.`,
    );
  }
  if (Math.min(width(box), height(box)) < SMALLEST_EDGE - SAME_BOX) {
    throw new Refusal("box_invalid", `The box ${box.join(", ")} is thinner than ${SMALLEST_EDGE} voxels.`);
  }
}

/** Whether two boxes differ by no more than rounding. */
export function sameBox(one: Box, other: Box): boolean {
  return one.every((edge, i) => Math.abs(edge - (other[i] ?? Number.NaN)) <= SAME_BOX);
}

/** Intersection over union of the areas, 0..1. */
export function iou(one: Box, other: Box): number {
  const w = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const h = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / (area(one) + area(other) - w * h);
}

/** Distance of two boxes' edges in voxels; 0 where they touch or overlap. */
export function distance(one: Box, other: Box): number {
  const dx = Math.max(0, one[0] - other[2], other[0] - one[2]);
  const dy = Math.max(0, one[1] - other[3], other[1] - one[3]);
  return Math.hypot(dx, dy);
}

/** The box `share` (0..1) of the way: linear in the four edges, not rounded. */
export function interpolate(start: Box, end: Box, share: number): Box {
  const at = (i: 0 | 1 | 2 | 3): number => start[i] + (end[i] - start[i]) * share;
  return [at(0), at(1), at(2), at(3)];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Nearest whole edges of one axis, inside 0..n, at least one voxel apart. */
function snapAxis(a: number, b: number, n: number): [number, number] {
  const low = clamp(Math.round(Math.min(a, b)), 0, n);
  const high = clamp(Math.round(Math.max(a, b)), 0, n);
  if (high > low) return [low, high];
  // Smaller than a voxel: the voxel in whose middle it lies.
  const voxel = clamp(Math.floor((a + b) / 2), 0, n - 1);
  return [voxel, voxel + 1];
}

/** The box on whole voxels that is nearest to two opposite corners (voxel edges, any order); inside the slice. */
export function snapBox(from: Point, to: Point, size: SliceSize): Box {
  const [x0, x1] = snapAxis(from.x, to.x, size.columns);
  const [y0, y1] = snapAxis(from.y, to.y, size.rows);
  return [x0, y0, x1, y1];
}

/** A box (perhaps fractional) on whole voxels. */
export function snapped(box: Box, size: SliceSize): Box {
  return snapBox({ x: box[0], y: box[1] }, { x: box[2], y: box[3] }, size);
}

/** The box moved by whole voxels as far as the slice allows; its size on whole voxels stays. */
export function moveBox(box: Box, dx: number, dy: number, size: SliceSize): Box {
  const [x0, y0, x1, y1] = snapped(box, size);
  const x = clamp(Math.round(dx), -x0, size.columns - x1);
  const y = clamp(Math.round(dy), -y0, size.rows - y1);
  return [x0 + x, y0 + y, x1 + x, y1 + y];
}

/** Which edges a handle moves; "move" is the inside of the box. */
export type Handle = "n" | "s" | "e" | "w" | "nw" | "ne" | "sw" | "se";

/** The box with the handle's edges moved by whole voxels; the others stay, and a voxel remains between them. */
export function resizeBox(box: Box, handle: Handle, dx: number, dy: number, size: SliceSize): Box {
  let [x0, y0, x1, y1] = snapped(box, size);
  const mx = Math.round(dx);
  const my = Math.round(dy);
  if (handle.includes("w")) x0 = clamp(x0 + mx, 0, x1 - 1);
  if (handle.includes("e")) x1 = clamp(x1 + mx, x0 + 1, size.columns);
  if (handle.includes("n")) y0 = clamp(y0 + my, 0, y1 - 1);
  if (handle.includes("s")) y1 = clamp(y1 + my, y0 + 1, size.rows);
  return [x0, y0, x1, y1];
}
