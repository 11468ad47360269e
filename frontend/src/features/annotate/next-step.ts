/** The one thing to do next, from the state of the work. The words stand in `next-step-line.tsx`. */
import type { AnnotationDocument, SliceState } from "@/canvas/document";
import { countStates } from "@/canvas/timeline";

export type NextStep =
  | { readonly do: "find-first" }
  | { readonly do: "draw" }
  /** A box is far away: the organ goes on here, or it has ended. */
  | { readonly do: "draw-or-end"; readonly at: "first" | "last" }
  /** `at`: unless the organ ends here. */
  | { readonly do: "go-on"; readonly at?: "last" }
  | { readonly do: "check"; readonly slices: number }
  /** `at`: this slice may be it. */
  | { readonly do: "mark-first"; readonly at?: "first" }
  | { readonly do: "mark-last" }
  | { readonly do: "decide"; readonly slices: number }
  | { readonly do: "submit" };

export interface Standing {
  readonly document: AnnotationDocument;
  readonly states: readonly SliceState[];
  readonly z: number;
}

/** A key slice about every five: the slices between follow from their neighbours well enough. */
const STRIDE = 5;

export function nextStep({ document, states, z }: Standing): NextStep {
  const { unknown, suggested } = countStates(states);
  if (unknown === 0) return suggested === 0 ? { do: "submit" } : { do: "check", slices: suggested };
  const { tracks, label_range: range } = document;
  if (tracks.length === 0) {
    if (range === null) return { do: "find-first" };
    return states[z] === "unknown" ? { do: "draw" } : { do: "go-on" };
  }
  const top = Math.min(...tracks.map((track) => track.first));
  const bottom = Math.max(...tracks.map((track) => track.last));
  const openAbove = states.slice(0, top).includes("unknown");
  const openBelow = states.slice(bottom + 1).includes("unknown");
  if (states[z] === "unknown") {
    const near = z < top ? top - z : z > bottom ? z - bottom : 0;
    if (near === 0) return { do: "draw" };
    return near < STRIDE ? { do: "go-on" } : { do: "draw-or-end", at: z < top ? "first" : "last" };
  }
  if (openBelow && (z === bottom || suggested === 0)) {
    if (z === bottom) return { do: "go-on", at: "last" };
    return hasStop(range, states.length) ? { do: "decide", slices: unknown } : { do: "mark-last" };
  }
  if (suggested > 0) return { do: "check", slices: suggested };
  if (openAbove) return z === top ? { do: "mark-first", at: "first" } : { do: "mark-first" };
  return { do: "decide", slices: unknown };
}

/** The mark that a step speaks of, where it can be set on this slice without cutting off a box. */
export function markOf(step: NextStep): "first" | "last" | null {
  if (step.do === "find-first") return "first";
  return "at" in step ? step.at : null;
}

/** Whether the organ's last slice was said. */
function hasStop(range: AnnotationDocument["label_range"], n: number): boolean {
  return range !== null && range[1] < n - 1;
}

/**
 * Where "ends here" on slice `z` points: to the slices after it (1), before it (-1), or null when both are possible and the
 * person has to say it.
 */
export function endDirection(
  document: AnnotationDocument,
  ends: { readonly first: number | null; readonly last: number | null },
  z: number,
): 1 | -1 | null {
  const { tracks } = document;
  if (tracks.length > 0) {
    const top = Math.min(...tracks.map((track) => track.first));
    const bottom = Math.max(...tracks.map((track) => track.last));
    if (top < bottom) {
      if (z >= bottom) return 1;
      if (z <= top) return -1;
      return z - top === bottom - z ? null : z - top > bottom - z ? 1 : -1;
    }
    if (z > bottom) return 1;
    if (z < top) return -1;
  }
  if (ends.first !== null && ends.last === null && z >= ends.first) return 1;
  if (ends.last !== null && ends.first === null && z <= ends.last) return -1;
  return null;
}
