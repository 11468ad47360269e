/**
 * What each operation does to a document; the same rules as `core.edits` on the server, and the same vectors test both.
 * All functions return a new document and throw a Refusal.
 */
import { type AnnotationDocument, checkDocument, checkSlices, emptyDocument, findTrack } from "./document";
import { Refusal } from "./errors";
import { type Intervals, NO_SLICES, overlaps, union, without, withoutRange, withRange } from "./intervals";
import { changedTrack, covers, cutTrack, type Keyframe, makeTrack, type Track } from "./tracks";

export function addTrack(document: AnnotationDocument, track: Track): AnnotationDocument {
  if (document.tracks.some((other) => other.id === track.id)) {
    throw new Refusal("operation_invalid", `There already is a track ${track.id}.`);
  }
  checkSlices(document, track.first, track.last);
  const room = madeRoom(takenBack(document), track);
  return checkDocument({ ...room, tracks: [...room.tracks, track] });
}

export function setKeyframe(
  document: AnnotationDocument,
  id: string,
  z: number,
  keyframe: Keyframe,
): AnnotationDocument {
  const track = findTrack(document, id);
  checkSlices(document, z, z);
  const keyframes = { ...track.keyframes, [z]: keyframe };
  const changed = changedTrack(track, Math.min(track.first, z), Math.max(track.last, z), keyframes);
  return withTrack(document, changed);
}

export function deleteKeyframe(document: AnnotationDocument, id: string, z: number): AnnotationDocument {
  const track = findTrack(document, id);
  if (track.keyframes[z] === undefined) {
    throw new Refusal("operation_invalid", `Track ${id} has no keyframe on slice ${z}.`);
  }
  const { [z]: _gone, ...keyframes } = track.keyframes;
  if (Object.keys(keyframes).length === 0) {
    throw new Refusal("operation_invalid", `Slice ${z} holds the only keyframe of track ${id}.`);
  }
  return withTrack(document, changedTrack(track, track.first, track.last, keyframes));
}

export function deleteTrack(document: AnnotationDocument, id: string): AnnotationDocument {
  const gone = findTrack(document, id);
  return { ...document, tracks: document.tracks.filter((track) => track !== gone) };
}

export function setTrackRange(
  document: AnnotationDocument,
  id: string,
  first: number,
  last: number,
): AnnotationDocument {
  const track = findTrack(document, id);
  checkSlices(document, first, last);
  if (first > track.last || last < track.first) {
    throw new Refusal("operation_invalid", `The range ${first} to ${last} leaves nothing of track ${id}.`);
  }
  const kept = cutTrack(track, Math.max(first, track.first), Math.min(last, track.last));
  return withTrack(document, makeTrack(id, first, last, kept.keyframes, kept.confirmed));
}

export function setLabelRange(document: AnnotationDocument, first: number, last: number): AnnotationDocument {
  checkSlices(document, first, last);
  const base = takenBack(document);
  const said = without(base.absent, base.beyond);
  const beyond = withoutRange([[0, base.shape[0] - 1]], first, last);
  const marks = marked({ ...base, absent: said, beyond: NO_SLICES }, beyond);
  return checkDocument({ ...marks, beyond: without(beyond, said), label_range: [first, last] });
}

export function markAbsent(document: AnnotationDocument, first: number, last: number): AnnotationDocument {
  checkSlices(document, first, last);
  // A mark that a person sets here outlives the next set_label_range.
  const beyond = withoutRange(document.beyond, first, last);
  return checkDocument(marked({ ...document, beyond }, [[first, last]]));
}

export function clearAbsent(document: AnnotationDocument, first: number, last: number): AnnotationDocument {
  checkSlices(document, first, last);
  const base = takenBack(document);
  return {
    ...base,
    absent: withoutRange(base.absent, first, last),
    beyond: withoutRange(base.beyond, first, last),
  };
}

export function markNotInVolume(document: AnnotationDocument): AnnotationDocument {
  return { ...emptyDocument(document.shape), absent: [[0, document.shape[0] - 1]], not_in_volume: true };
}

export function confirm(
  document: AnnotationDocument,
  id: string,
  first: number,
  last: number,
): AnnotationDocument {
  const track = findTrack(document, id);
  checkSlices(document, first, last);
  if (!(covers(track, first) && covers(track, last))) {
    throw new Refusal("operation_invalid", `Track ${id} does not cover ${first} to ${last}.`);
  }
  return withTrack(document, { ...track, confirmed: withRange(track.confirmed, first, last) });
}

export function replaceDocument(document: AnnotationDocument, other: AnnotationDocument): AnnotationDocument {
  if (document.shape.some((n, i) => n !== other.shape[i])) {
    throw new Refusal("operation_invalid", "A document of another volume cannot replace this one.");
  }
  return checkDocument(other);
}

/** Put `track` in the place of the one with its id. */
function withTrack(document: AnnotationDocument, track: Track): AnnotationDocument {
  const tracks = document.tracks.map((other) => (other.id === track.id ? track : other));
  return checkDocument({ ...madeRoom(document, track), tracks });
}

/**
 * Where the track lies no slice is absent, and the label's range reaches as far as the track. The marks that the range
 * made between its old end and the track go too: the track proves that end wrong. Marks that a person set there stay.
 */
function madeRoom(document: AnnotationDocument, track: Track): AnnotationDocument {
  const base = overlaps(document.absent, track.first, track.last)
    ? clearAbsent(document, track.first, track.last)
    : document;
  if (base.label_range === null) return base;
  const first = Math.min(base.label_range[0], track.first);
  const last = Math.max(base.label_range[1], track.last);
  const beyond = withoutRange(base.beyond, first, last);
  const absent = without(base.absent, without(base.beyond, beyond));
  return { ...base, absent, beyond, label_range: [first, last] };
}

/** Without the answer "not in this volume", if it was given. */
function takenBack(document: AnnotationDocument): AnnotationDocument {
  return document.not_in_volume ? emptyDocument(document.shape) : document;
}

/** Mark slices absent and cut the tracks there. */
function marked(document: AnnotationDocument, marks: Intervals): AnnotationDocument {
  const tracks = marks.reduce((left, [first, last]) => cutTracks(left, first, last), document.tracks);
  return { ...document, tracks, absent: union(document.absent, marks) };
}

/** What of the tracks lies outside `first..last`. The second part of a split track gets a new id. */
function cutTracks(tracks: readonly Track[], first: number, last: number): readonly Track[] {
  const taken = new Set(tracks.map((track) => track.id));
  return tracks.flatMap((track) => {
    if (track.last < first || track.first > last) return [track];
    const left: Track[] = [];
    if (track.first < first) left.push(cutTrack(track, track.first, first - 1));
    if (track.last > last) {
      let part = cutTrack(track, last + 1, track.last);
      if (track.first < first) {
        part = { ...part, id: secondId(track.id, last + 1, taken) };
        taken.add(part.id);
      }
      left.push(part);
    }
    return left;
  });
}

/** The name the client gave + "/" + the first slice; where that exists, + "/2", "/3", ... */
function secondId(id: string, first: number, taken: ReadonlySet<string>): string {
  const name = `${id.split("/")[0]}/${first}`;
  let found = name;
  for (let n = 2; taken.has(found); n++) found = `${name}/${n}`;
  return found;
}
