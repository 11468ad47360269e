/** Somebody saved meanwhile (another device, another browser): the three ways out, as operations on their document. */
import type { AnnotationDocument } from "../canvas/document";
import { apply, type Operation } from "../canvas/operations";

export type Choice = "mine" | "theirs" | "both";

export interface Conflict {
  /** The server's present state. */
  readonly revision: number;
  readonly theirs: AnnotationDocument;
  /** What this browser shows. */
  readonly mine: AnnotationDocument;
}

/**
 * What is to be sent on top of theirs. Mine: my whole document. Theirs: nothing. Both: my pieces that are not in theirs,
 * under new names.
 */
export function resolution({ theirs, mine }: Conflict, choice: Choice, newId: () => string): Operation[] {
  if (choice === "theirs") return [];
  if (choice === "mine") return [{ op: "replace_document", document: mine }];
  const known = new Set(theirs.tracks.map((track) => shape(track)));
  const operations: Operation[] = [];
  let document = theirs;
  const push = (operation: Operation): void => {
    document = apply(document, operation);
    operations.push(operation);
  };
  for (const track of mine.tracks) {
    if (known.has(shape(track))) continue;
    let id = newId();
    while (document.tracks.some((other) => other.id === id)) id = newId();
    push({ op: "add_track", track: id, first: track.first, last: track.last, keyframes: track.keyframes });
    for (const [first, last] of track.confirmed) push({ op: "confirm", track: id, first, last });
  }
  return operations;
}

/** Where a piece lies, whatever it is called and however much of it was looked at. */
function shape(track: AnnotationDocument["tracks"][number]): string {
  return JSON.stringify([track.first, track.last, track.keyframes]);
}
