/** The stack of slices as a line: what is done, suggested, to do or not here, and where to go next. */
import { runs, type SliceState } from "./document";

export interface Segment {
  readonly state: SliceState;
  /** Slices, inclusive. */
  readonly first: number;
  readonly last: number;
  /** Half-open shares of the line, 0..1. */
  readonly from: number;
  readonly to: number;
}

export function segments(states: readonly SliceState[]): Segment[] {
  const n = states.length;
  return runs(states).map(([state, first, last]) => ({
    state,
    first,
    last,
    from: first / n,
    to: (last + 1) / n,
  }));
}

/** The slice at `position` of a line of `length` (pixels) with `n` slices; clamped to the ends. */
export function sliceAt(position: number, length: number, n: number): number {
  if (length <= 0) return 0;
  return Math.min(Math.max(Math.floor((position / length) * n), 0), n - 1);
}

/** The middle of slice `z` on such a line. */
export function positionOf(z: number, length: number, n: number): number {
  return ((z + 0.5) / n) * length;
}

/** The next slice after `from` in `direction` that is to do or suggested, round the end; null when all are decided. */
export function nextToCheck(
  states: readonly SliceState[],
  from: number,
  direction: 1 | -1 = 1,
): number | null {
  const n = states.length;
  for (let step = 1; step <= n; step++) {
    const z = (((from + step * direction) % n) + n) % n;
    if (states[z] === "unknown" || states[z] === "suggested") return z;
  }
  return null;
}

export type StateCounts = Readonly<Record<SliceState, number>>;

export function countStates(states: readonly SliceState[]): StateCounts {
  const counts = { unknown: 0, suggested: 0, done: 0, absent: 0 };
  for (const state of states) counts[state]++;
  return counts;
}
