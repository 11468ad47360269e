/**
 * Sets of slices, kept as inclusive ranges `[first, last]`: ascending, neither overlapping nor touching, so that one
 * set has one form. The form is the JSON form.
 */
import { Refusal } from "./errors";

export type Range = readonly [first: number, last: number];
export type Intervals = readonly Range[];

export const NO_SLICES: Intervals = [];

/** The union of inclusive ranges in any order. Throws `operation_invalid` for one that runs backwards. */
export function intervals(ranges: Iterable<Range>): Intervals {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    if (!(first >= 0 && last >= first)) {
      throw new Refusal("operation_invalid", `${first} to ${last} is not a range of slices.`);
    }
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function fromSlices(slices: Iterable<number>): Intervals {
  return intervals(Array.from(slices, (z): Range => [z, z]));
}

/** The number of slices. */
export function countSlices(set: Intervals): number {
  return set.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** Whether any slice of `first..last` is in the set. */
export function overlaps(set: Intervals, first: number, last: number): boolean {
  return set.some((range) => range[0] <= last && range[1] >= first);
}

export function contains(set: Intervals, z: number): boolean {
  return overlaps(set, z, z);
}

export function union(one: Intervals, other: Intervals): Intervals {
  return intervals([...one, ...other]);
}

export function withRange(set: Intervals, first: number, last: number): Intervals {
  return intervals([...set, [first, last]]);
}

export function withoutRange(set: Intervals, first: number, last: number): Intervals {
  const left: Range[] = [];
  for (const [a, b] of set) {
    if (a < first) left.push([a, Math.min(b, first - 1)]);
    if (b > last) left.push([Math.max(a, last + 1), b]);
  }
  return intervals(left);
}

export function without(set: Intervals, other: Intervals): Intervals {
  return other.reduce((left, [first, last]) => withoutRange(left, first, last), set);
}

/** The part inside `first..last`. */
export function within(set: Intervals, first: number, last: number): Intervals {
  return set
    .filter(([a, b]) => a <= last && b >= first)
    .map(([a, b]): Range => [Math.max(a, first), Math.min(b, last)]);
}

/** The slices, ascending. */
export function* slicesOf(set: Intervals): Generator<number> {
  for (const [first, last] of set) for (let z = first; z <= last; z++) yield z;
}
