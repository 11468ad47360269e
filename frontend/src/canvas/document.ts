/**
 * What an annotator made of one label in one volume, as `core.tracks` on the server keeps it. Everything is a value:
 * operations make new documents from old ones. Slices are numbered from 0, ranges of slices are inclusive.
 */
import { Refusal } from "./errors";
import type { Box, SliceSize } from "./geometry";
import { contains, countSlices, type Intervals, NO_SLICES, overlaps, type Range, without } from "./intervals";
import { type BoxSource, boxAt, checkBoxes, isDoneAt, sourceAt, type Track } from "./tracks";

/** A slice is never both covered by a track and absent. The form is the JSON form, field for field. */
export interface AnnotationDocument {
  /** (nz, ny, nx). */
  readonly shape: readonly [nz: number, ny: number, nx: number];
  readonly tracks: readonly Track[];
  /** Every slice marked as without the label. */
  readonly absent: Intervals;
  /** The part of `absent` that only `set_label_range` marked, and its next call replaces. */
  readonly beyond: Intervals;
  /** First and last slice of the label as last said, widened by tracks that left it since. */
  readonly label_range: Range | null;
  readonly not_in_volume: boolean;
}

export type SliceState = "unknown" | "suggested" | "done" | "absent";
/** A run of slices of one state, inclusive. */
export type Run = readonly [state: SliceState, first: number, last: number];

/** A run of slices, inclusive, that keeps an annotation from being submitted. */
export interface Gap {
  readonly kind: "todo" | "suggested";
  readonly first: number;
  readonly last: number;
}

export interface BoxOnSlice {
  readonly trackId: string;
  readonly slice: number;
  readonly box: Box;
  readonly source: BoxSource;
  readonly confirmed: boolean;
  /** Drawn or confirmed; else it is shown dashed. */
  readonly done: boolean;
}

const MAX_KEYFRAMES = 10_000;
const MAX_TRACKS = 2_000;

/** Nothing decided yet on any slice of a volume of `shape` (nz, ny, nx). */
export function emptyDocument(shape: readonly [number, number, number]): AnnotationDocument {
  return { shape, tracks: [], absent: NO_SLICES, beyond: NO_SLICES, label_range: null, not_in_volume: false };
}

export function sliceCount(document: AnnotationDocument): number {
  return document.shape[0];
}

export function sliceSize(document: AnnotationDocument): SliceSize {
  return { columns: document.shape[2], rows: document.shape[1] };
}

/** Refuse a range of slices that is empty or leaves the volume. Throws `slice_out_of_range`. */
export function checkSlices(document: AnnotationDocument, first: number, last: number): void {
  if (!(first >= 0 && first <= last && last < document.shape[0])) {
    throw new Refusal("slice_out_of_range", `${first} to ${last} is not a range of slices of this volume.`);
  }
}

/** Throws `track_unknown`. */
export function findTrack(document: AnnotationDocument, id: string): Track {
  const found = document.tracks.find((track) => track.id === id);
  if (found === undefined) throw new Refusal("track_unknown", `There is no track ${id.slice(0, 60)}.`);
  return found;
}

/** The document itself if it obeys every rule. Throws a Refusal. */
export function checkDocument(document: AnnotationDocument): AnnotationDocument {
  const { shape, tracks, absent, beyond, label_range: range } = document;
  const refuse = (what: string): never => {
    throw new Refusal("operation_invalid", what);
  };
  if (!shape.every((n) => n >= 1 && n <= 100_000)) refuse("This is not the shape of a volume.");
  if (new Set(tracks.map((track) => track.id)).size < tracks.length) refuse("Two tracks have the same id.");
  if (tracks.length > MAX_TRACKS) refuse("These are too many tracks.");
  const boxes = tracks.reduce((sum, track) => sum + Object.keys(track.keyframes).length, 0);
  if (boxes > MAX_KEYFRAMES) refuse("These are too many boxes.");
  for (const track of tracks) {
    checkSlices(document, track.first, track.last);
    checkBoxes(track, sliceSize(document));
    if (overlaps(absent, track.first, track.last)) refuse(`Track ${track.id} covers absent slices.`);
  }
  for (const [first, last] of absent) checkSlices(document, first, last);
  if (without(beyond, absent).length > 0) refuse("Slices beyond the label's range are not marked absent.");
  if (range !== null) {
    checkSlices(document, range[0], range[1]);
    for (const track of tracks) {
      if (track.first < range[0] || track.last > range[1])
        refuse(`Track ${track.id} leaves the label's range.`);
    }
  }
  if (document.not_in_volume && !isAbsentEverywhere(document)) refuse("Only some slices are absent.");
  return document;
}

/** Whether every slice is absent, however that was said. */
export function isAbsentEverywhere(document: AnnotationDocument): boolean {
  return countSlices(document.absent) === document.shape[0];
}

/** The state of every slice, length nz: done where every track on the slice is. */
export function sliceStates(document: AnnotationDocument): SliceState[] {
  const states = Array.from({ length: document.shape[0] }, (_, z): SliceState => {
    return contains(document.absent, z) ? "absent" : "unknown";
  });
  for (const track of document.tracks) {
    for (let z = track.first; z <= track.last; z++) {
      if (!isDoneAt(track, z)) states[z] = "suggested";
      else if (states[z] === "unknown") states[z] = "done";
    }
  }
  return states;
}

/** Runs of equal state, ascending. */
export function runs(states: readonly SliceState[]): Run[] {
  const found: [SliceState, number, number][] = [];
  states.forEach((state, z) => {
    const open = found.at(-1);
    if (open !== undefined && open[0] === state) open[2] = z;
    else found.push([state, z, z]);
  });
  return found;
}

/** What keeps the annotation from being submitted, ascending. */
export function gaps(document: AnnotationDocument): Gap[] {
  return runs(sliceStates(document)).flatMap(([state, first, last]): Gap[] => {
    if (state === "unknown") return [{ kind: "todo", first, last }];
    return state === "suggested" ? [{ kind: "suggested", first, last }] : [];
  });
}

/** The boxes of one slice, in the order of the tracks. */
export function boxesOn(document: AnnotationDocument, z: number): BoxOnSlice[] {
  return document.tracks
    .filter((track) => track.first <= z && z <= track.last)
    .map((track) => ({
      trackId: track.id,
      slice: z,
      box: boxAt(track, z),
      source: sourceAt(track, z),
      confirmed: contains(track.confirmed, z),
      done: isDoneAt(track, z),
    }));
}

/** Every box of every covered slice, slices ascending. */
export function boxesBySlice(document: AnnotationDocument): Map<number, BoxOnSlice[]> {
  const found = new Map<number, BoxOnSlice[]>();
  for (let z = 0; z < document.shape[0]; z++) {
    const boxes = boxesOn(document, z);
    if (boxes.length > 0) found.set(z, boxes);
  }
  return found;
}
