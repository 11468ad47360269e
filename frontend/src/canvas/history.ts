/**
 * Undo and redo. Nothing is taken out of the log: going back appends operations that lead to the earlier document.
 * Confirmations by viewing are no steps of their own, and going back keeps those whose box is the same.
 */
import type { AnnotationDocument } from "./document";
import { sameBox } from "./geometry";
import { contains, fromSlices, slicesOf, union } from "./intervals";
import { apply, type Operation } from "./operations";
import { boxAt, covers, type Track } from "./tracks";

const DEEPEST = 200;

interface Step {
  readonly before: AnnotationDocument;
  readonly operations: readonly Operation[];
  /** Steps in a row with the same key are one: a drag, a held key. */
  readonly key: string | null;
}

export interface Travel {
  readonly document: AnnotationDocument;
  readonly operations: readonly Operation[];
}

export class History {
  private past: Step[] = [];
  private future: AnnotationDocument[] = [];

  get canUndo(): boolean {
    return this.past.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Note a step that led away from `before`. */
  record(before: AnnotationDocument, operations: readonly Operation[], key: string | null = null): void {
    this.future = [];
    const last = this.past.at(-1);
    if (key !== null && last?.key === key) {
      this.past[this.past.length - 1] = { ...last, operations: [...last.operations, ...operations] };
      return;
    }
    this.past.push({ before, operations, key });
    if (this.past.length > DEEPEST) this.past.shift();
  }

  /** The way back from `now`, or null when there is none. */
  undo(now: AnnotationDocument): Travel | null {
    const step = this.past.pop();
    if (step === undefined) return null;
    this.future.push(now);
    const only = step.operations.length === 1 ? step.operations[0] : undefined;
    return travel(now, step.before, only === undefined ? null : inverse(only, step.before));
  }

  /** The way forward again, or null. */
  redo(now: AnnotationDocument): Travel | null {
    const target = this.future.pop();
    if (target === undefined) return null;
    // No operations: a later undo goes by the whole document.
    this.past.push({ before: now, operations: [], key: null });
    return travel(now, target, null);
  }

  /** After another document came from elsewhere: earlier steps lead nowhere. */
  clear(): void {
    this.past = [];
    this.future = [];
  }
}

function travel(now: AnnotationDocument, target: AnnotationDocument, short: Operation | null): Travel {
  const document = withConfirmations(target, now);
  if (short !== null && leadsTo(now, short, document)) return { document, operations: [short] };
  return { document, operations: [{ op: "replace_document", document }] };
}

function leadsTo(now: AnnotationDocument, operation: Operation, target: AnnotationDocument): boolean {
  try {
    return JSON.stringify(apply(now, operation)) === JSON.stringify(target);
  } catch {
    return false;
  }
}

/** A small operation that may take this one back; whether it does is checked by applying it. */
function inverse(operation: Operation, before: AnnotationDocument): Operation | null {
  switch (operation.op) {
    case "add_track":
      return { op: "delete_track", track: operation.track };
    case "set_keyframe": {
      const { track, slice } = operation;
      const old = before.tracks.find(({ id }) => id === track)?.keyframes[slice];
      if (old === undefined) return { op: "delete_keyframe", track, slice };
      return { op: "set_keyframe", track, slice, box: old.box, source: old.source };
    }
    case "mark_absent":
      return { op: "clear_absent", first: operation.first, last: operation.last };
    case "clear_absent":
      return { op: "mark_absent", first: operation.first, last: operation.last };
    default:
      return null;
  }
}

/** `target` with the confirmations of `now`, where a track of that name has the same box on the same slice. */
export function withConfirmations(target: AnnotationDocument, now: AnnotationDocument): AnnotationDocument {
  const others = new Map<string, Track>(now.tracks.map((track) => [track.id, track]));
  const tracks = target.tracks.map((track) => {
    const other = others.get(track.id);
    if (other === undefined) return track;
    const same = [...slicesOf(other.confirmed)].filter(
      (z) => covers(track, z) && !contains(track.confirmed, z) && sameBox(boxAt(track, z), boxAt(other, z)),
    );
    return same.length === 0 ? track : { ...track, confirmed: union(track.confirmed, fromSlices(same)) };
  });
  return { ...target, tracks };
}
