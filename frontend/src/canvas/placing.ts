/** Which piece a drawn box belongs to, and what operations draw and remove boxes. */
import type { AnnotationDocument } from "./document";
import { type Box, distance, height, iou, width } from "./geometry";
import { overlaps, without } from "./intervals";
import type { Operation } from "./operations";
import { boxAt, covers, cutTrack, type Track } from "./tracks";

/** Slices. Over a longer way the shape says too little about which piece goes on where. */
export const LONGEST_FILL = 40;
/** A box on a slice that a piece covers is that piece's when it shares this much with the piece's box. */
const SAME_PIECE_IOU = 0.3;

/** The track that a box on slice `z` continues or corrects, or null for a new one. The selected one is preferred. */
export function trackFor(
  document: AnnotationDocument,
  z: number,
  box: Box,
  selected: string | null,
): Track | null {
  const here = document.tracks.filter((track) => covers(track, z));
  const chosen = here.find((track) => track.id === selected);
  if (chosen !== undefined) return chosen;
  const same = best(here, (track) => iou(boxAt(track, z), box));
  if (same !== null && same.score >= SAME_PIECE_IOU) return same.track;

  const near = document.tracks.filter(
    (track) => mayReach(document, track, z) && isNear(facing(track, z), box),
  );
  const preferred = near.find((track) => track.id === selected);
  if (preferred !== undefined) return preferred;
  // By overlap, then by how close they are on the slice, then by how few slices lie between.
  const found = best(near, (track) => {
    const apart = distance(facing(track, z), box) / Math.max(width(box), height(box));
    return iou(facing(track, z), box) - apart * 0.01 - slicesBetween(track, z) * 1e-4;
  });
  return found?.track ?? null;
}

function best(
  tracks: readonly Track[],
  score: (track: Track) => number,
): { track: Track; score: number } | null {
  let found: { track: Track; score: number } | null = null;
  for (const track of tracks) {
    const its = score(track);
    if (found === null || its > found.score) found = { track, score: its };
  }
  return found;
}

function facing(track: Track, z: number): Box {
  return boxAt(track, z < track.first ? track.first : track.last);
}

function slicesBetween(track: Track, z: number): number {
  return z < track.first ? track.first - z - 1 : z - track.last - 1;
}

/** Not over slices that a person marked as without the organ: a hole ends a piece. Marks beyond an end may give way. */
function mayReach(document: AnnotationDocument, track: Track, z: number): boolean {
  if (covers(track, z) || document.not_in_volume || slicesBetween(track, z) > LONGEST_FILL) return false;
  const byHand = without(document.absent, document.beyond);
  return z < track.first ? !overlaps(byHand, z, track.first - 1) : !overlaps(byHand, track.last + 1, z);
}

function isNear(one: Box, other: Box): boolean {
  const longest = Math.max(width(one), height(one), width(other), height(other));
  return distance(one, other) <= longest / 2;
}

/** Take the box of a track off slice `z`. A corrected box goes back to what its neighbours say; else the piece is cut. */
export function removal(track: Track, z: number, newId: () => string): Operation[] {
  const { id, first, last } = track;
  if (first === last) return [{ op: "delete_track", track: id }];
  if (z === first) return [{ op: "set_track_range", track: id, first: first + 1, last }];
  if (z === last) return [{ op: "set_track_range", track: id, first, last: last - 1 }];
  if (track.keyframes[z] !== undefined && Object.keys(track.keyframes).length > 1) {
    return [{ op: "delete_keyframe", track: id, slice: z }];
  }
  const part = cutTrack(track, z + 1, last);
  const second = newId();
  return [
    { op: "set_track_range", track: id, first, last: z - 1 },
    { op: "add_track", track: second, first: part.first, last: part.last, keyframes: part.keyframes },
    ...part.confirmed.map(([a, b]): Operation => ({ op: "confirm", track: second, first: a, last: b })),
  ];
}
