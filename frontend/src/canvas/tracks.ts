/** One track: a connected piece of the label followed through slices by a few boxes. The form is the JSON form. */
import { Refusal } from "./errors";
import { type Box, checkBox, checkInside, interpolate, type SliceSize, sameBox } from "./geometry";
import { contains, fromSlices, type Intervals, NO_SLICES, slicesOf, within, without } from "./intervals";

export const BOX_SOURCES = [
  "drawn",
  "edited",
  "copied",
  "tightened",
  "interpolated",
  "propagated",
  "imported",
  "simulated",
  "consensus",
] as const;
export type BoxSource = (typeof BOX_SOURCES)[number];

/** A box put on a slice, in contrast to one that follows from its neighbours. */
export interface Keyframe {
  readonly box: Box;
  readonly source: BoxSource;
}

/** Slice -> keyframe. Whole-number keys of an object always come in ascending order. */
export type Keyframes = Readonly<Record<number, Keyframe>>;

export interface Track {
  readonly id: string;
  /** First and last slice, inclusive. */
  readonly first: number;
  readonly last: number;
  /** At least one, all inside `first..last`. */
  readonly keyframes: Keyframes;
  /** Slices whose box somebody has looked at and left. */
  readonly confirmed: Intervals;
}

const TRACK_ID = /^[A-Za-z0-9_-]{1,48}(\/[0-9]{1,6}){0,2}$/;

/** A checked track. Throws `operation_invalid` or `slice_out_of_range`. */
export function makeTrack(
  id: string,
  first: number,
  last: number,
  keyframes: Keyframes,
  confirmed: Intervals = NO_SLICES,
): Track {
  if (!TRACK_ID.test(id)) throw new Refusal("operation_invalid", `${id.slice(0, 60)} cannot name a track.`);
  if (!(first >= 0 && first <= last)) {
    throw new Refusal("slice_out_of_range", `Track ${id} cannot run from slice ${first} to ${last}.`);
  }
  const marked = keyframeSlices(keyframes);
  if (marked.length === 0) throw new Refusal("operation_invalid", `Track ${id} has no box.`);
  for (const range of confirmed) marked.push(range[0], range[1]);
  for (const z of [Math.min(...marked), Math.max(...marked)]) {
    if (z < first || z > last) {
      throw new Refusal(
        "slice_out_of_range",
        `Slice ${z} lies outside track ${id}, which runs from ${first} to ${last}.`,
      );
    }
  }
  for (const keyframe of Object.values(keyframes)) checkBox(keyframe.box);
  return { id, first, last, keyframes, confirmed };
}

/** Slices with a keyframe, ascending. */
export function keyframeSlices(keyframes: Keyframes): number[] {
  return Object.keys(keyframes).map(Number);
}

export function covers(track: Track, z: number): boolean {
  return track.first <= z && z <= track.last;
}

/** The nearest keyframe slices at or before, and at or after, `z`. */
export function around(track: Track, z: number): { before: number | null; after: number | null } {
  let before: number | null = null;
  for (const at of keyframeSlices(track.keyframes)) {
    if (at <= z) before = at;
    if (at >= z) return { before, after: at };
  }
  return { before, after: null };
}

/** The box on slice `z`: linear between keyframes and not rounded, the nearest one outside them. */
export function boxAt(track: Track, z: number): Box {
  if (!covers(track, z)) {
    throw new Refusal("slice_out_of_range", `Slice ${z} lies outside track ${track.id}.`);
  }
  const { before, after } = around(track, z);
  const start = before === null ? undefined : track.keyframes[before];
  const end = after === null ? undefined : track.keyframes[after];
  if (start === undefined || end === undefined || before === null || after === null || before === after) {
    const only = start ?? end;
    if (only === undefined) throw new Refusal("operation_invalid", `Track ${track.id} has no box.`);
    return only.box;
  }
  return interpolate(start.box, end.box, (z - before) / (after - before));
}

export function sourceAt(track: Track, z: number): BoxSource {
  return track.keyframes[z]?.source ?? "interpolated";
}

/** Whether a keyframe of this source needs no confirmation. */
export function isPersonMade(source: BoxSource): boolean {
  return source !== "interpolated" && source !== "propagated";
}

/** Whether a person made or confirmed the box on slice `z`. */
export function isDoneAt(track: Track, z: number): boolean {
  return isPersonMade(sourceAt(track, z)) || contains(track.confirmed, z);
}

/**
 * The part on `first..last`, which must lie inside; its boxes and confirmations stay as they were. A keyframe of source
 * interpolated stands in at a cut for the keyframes behind it.
 */
export function cutTrack(track: Track, first: number, last: number): Track {
  const kept: Record<number, Keyframe> = {};
  const slices = keyframeSlices(track.keyframes);
  for (const z of slices) {
    const keyframe = track.keyframes[z];
    if (keyframe !== undefined && first <= z && z <= last) kept[z] = keyframe;
  }
  const stand = (z: number): void => {
    kept[z] ??= { box: boxAt(track, z), source: "interpolated" };
  };
  if ((slices[0] ?? first) < first) stand(first);
  if ((slices.at(-1) ?? last) > last) stand(last);
  return makeTrack(track.id, first, last, kept, within(track.confirmed, first, last));
}

/** The track with another range or other keyframes; a confirmation stays only where the box stayed. */
export function changedTrack(track: Track, first: number, last: number, keyframes: Keyframes): Track {
  const next = makeTrack(track.id, first, last, keyframes);
  const slices = keyframeSlices(track.keyframes);
  const differing = [...new Set([...slices, ...keyframeSlices(keyframes)])].filter(
    (z) => !sameKeyframe(track.keyframes[z], keyframes[z]),
  );
  let kept = within(track.confirmed, first, last);
  if (differing.length > 0) {
    // Boxes change only up to the next keyframes that both have.
    const low = slices.filter((z) => z < Math.min(...differing)).at(-1) ?? first;
    const high = slices.find((z) => z > Math.max(...differing)) ?? last;
    const changed = [...slicesOf(within(kept, low, high))].filter(
      (z) => !sameBox(boxAt(track, z), boxAt(next, z)),
    );
    kept = without(kept, fromSlices(changed));
  }
  return { ...next, confirmed: kept };
}

function sameKeyframe(one: Keyframe | undefined, other: Keyframe | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.source === other.source && one.box.every((edge, i) => edge === other.box[i]);
}

/** Refuse a keyframe that leaves the slice or is too thin. Throws `box_invalid`. */
export function checkBoxes(track: Track, size: SliceSize): void {
  for (const keyframe of Object.values(track.keyframes)) checkInside(keyframe.box, size);
}
