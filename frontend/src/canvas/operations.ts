/**
 * The small steps an annotation is made of, as they are sent and logged. A document is `apply` folded over its log of
 * operations, here and on the server, and tests/vectors/operations.json holds both to the same results.
 */
import type { AnnotationDocument } from "./document";
import * as edits from "./edits";
import { Refusal } from "./errors";
import type { Box } from "./geometry";
import {
  readBox,
  readDocument,
  readFields,
  readInteger,
  readKeyframes,
  readSource,
  readText,
} from "./reading";
import { type BoxSource, type Keyframes, makeTrack } from "./tracks";

export interface AddTrack {
  readonly op: "add_track";
  readonly track: string;
  readonly first: number;
  readonly last: number;
  readonly keyframes: Keyframes;
}
export interface SetKeyframe {
  readonly op: "set_keyframe";
  readonly track: string;
  readonly slice: number;
  readonly box: Box;
  readonly source: BoxSource;
}
export interface DeleteKeyframe {
  readonly op: "delete_keyframe";
  readonly track: string;
  readonly slice: number;
}
export interface DeleteTrack {
  readonly op: "delete_track";
  readonly track: string;
}
export interface OnTrackRange {
  readonly op: "set_track_range" | "confirm";
  readonly track: string;
  readonly first: number;
  readonly last: number;
}
export interface OnRange {
  readonly op: "set_label_range" | "mark_absent" | "clear_absent";
  readonly first: number;
  readonly last: number;
}
export interface MarkNotInVolume {
  readonly op: "mark_not_in_volume";
}
export interface ReplaceDocument {
  readonly op: "replace_document";
  readonly document: AnnotationDocument;
}
export type Operation =
  | AddTrack
  | SetKeyframe
  | DeleteKeyframe
  | DeleteTrack
  | OnTrackRange
  | OnRange
  | MarkNotInVolume
  | ReplaceDocument;

/** Of one batch. */
export const MAX_OPERATIONS = 1_000;

/** The document after the operation; the given one stays as it is. Throws a Refusal. */
export function apply(document: AnnotationDocument, operation: Operation): AnnotationDocument {
  switch (operation.op) {
    case "add_track": {
      const { track, first, last, keyframes } = operation;
      return edits.addTrack(document, makeTrack(track, first, last, keyframes));
    }
    case "set_keyframe": {
      const { track, slice, box, source } = operation;
      return edits.setKeyframe(document, track, slice, { box, source });
    }
    case "delete_keyframe":
      return edits.deleteKeyframe(document, operation.track, operation.slice);
    case "delete_track":
      return edits.deleteTrack(document, operation.track);
    case "set_track_range":
      return edits.setTrackRange(document, operation.track, operation.first, operation.last);
    case "confirm":
      return edits.confirm(document, operation.track, operation.first, operation.last);
    case "set_label_range":
      return edits.setLabelRange(document, operation.first, operation.last);
    case "mark_absent":
      return edits.markAbsent(document, operation.first, operation.last);
    case "clear_absent":
      return edits.clearAbsent(document, operation.first, operation.last);
    case "mark_not_in_volume":
      return edits.markNotInVolume(document);
    case "replace_document":
      return edits.replaceDocument(document, operation.document);
  }
}

/** Fold `apply` over operations. */
export function applyAll(document: AnnotationDocument, operations: Iterable<Operation>): AnnotationDocument {
  let folded = document;
  for (const operation of operations) folded = apply(folded, operation);
  return folded;
}

/** One operation from JSON; what is not exactly of its form is refused. */
export function readOperation(value: unknown, place = "operation"): Operation {
  const op = typeof value === "object" && value !== null ? (value as { op?: unknown }).op : undefined;
  const read = (...names: string[]): Record<string, unknown> => readFields(value, place, ["op", ...names]);
  const whole = (given: Record<string, unknown>, name: string): number =>
    readInteger(given[name], `${place}.${name}`);
  switch (op) {
    case "add_track": {
      const given = read("track", "first", "last", "keyframes");
      const track = readText(given.track, `${place}.track`);
      const keyframes = readKeyframes(given.keyframes, `${place}.keyframes`);
      return { op, track, first: whole(given, "first"), last: whole(given, "last"), keyframes };
    }
    case "set_keyframe": {
      const given = read("track", "slice", "box", "source");
      return {
        op,
        track: readText(given.track, `${place}.track`),
        slice: whole(given, "slice"),
        box: readBox(given.box, `${place}.box`),
        source: readSource(given.source, `${place}.source`),
      };
    }
    case "delete_keyframe": {
      const given = read("track", "slice");
      return { op, track: readText(given.track, `${place}.track`), slice: whole(given, "slice") };
    }
    case "delete_track":
      return { op, track: readText(read("track").track, `${place}.track`) };
    case "set_track_range":
    case "confirm": {
      const given = read("track", "first", "last");
      const track = readText(given.track, `${place}.track`);
      return { op, track, first: whole(given, "first"), last: whole(given, "last") };
    }
    case "set_label_range":
    case "mark_absent":
    case "clear_absent": {
      const given = read("first", "last");
      return { op, first: whole(given, "first"), last: whole(given, "last") };
    }
    case "mark_not_in_volume":
      read();
      return { op };
    case "replace_document":
      return { op, document: readDocument(read("document").document, `${place}.document`) };
    default:
      throw new Refusal("operation_invalid", `${place} is no operation.`);
  }
}

/** A batch of 1 to MAX_OPERATIONS operations from JSON. */
export function readOperations(value: unknown): Operation[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_OPERATIONS) {
    throw new Refusal("operation_invalid", `A batch has 1 to ${MAX_OPERATIONS} operations.`);
  }
  return value.map((element: unknown, i) => readOperation(element, `operations[${i}]`));
}
