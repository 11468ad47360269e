/** What is missing in a person's work, in words. Slices count from 1 on the screen. */
import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import { day, sliceNumber, until } from "@/shared/texts/format";
import type { Tone } from "@/shared/ui/status";

type Person = Schema<"PersonOnTask">;
type Runs = readonly (readonly unknown[])[];

/** First and last slice of a run, inclusive, from 0. */
function ends(run: readonly unknown[]): [number, number] {
  return [Number(run[0]), Number(run[1])];
}

/** "slice 12" or "slices 12 to 18". */
export function runWords([first, last]: readonly [number, number]): string {
  const [from, to] = [sliceNumber(first), sliceNumber(last)];
  return first === last ? t`slice ${from}` : t`slices ${from} to ${to}`;
}

export function holeWords(runs: Runs): string[] {
  return runs.map((run) => {
    const slices = runWords(ends(run));
    return t`${slices} not looked at`;
  });
}

/** An end that runs to the last slice is named by the slice that it begins behind. */
export function endWords(runs: Runs, nSlices: number): string[] {
  return runs.map((run) => {
    const [first, last] = ends(run);
    if (last === nSlices - 1 && first > 0) {
      const behind = sliceNumber(first - 1);
      return t`end above slice ${behind} not looked at`;
    }
    if (first === 0 && last < nSlices - 1) {
      const before = sliceNumber(last + 1);
      return t`end below slice ${before} not looked at`;
    }
    const slices = runWords([first, last]);
    return t`${slices} at the end not looked at`;
  });
}

export function suggestedWords(runs: Runs): string[] {
  return runs.map((run) => {
    const slices = runWords(ends(run));
    return t`${slices} filled in, not checked`;
  });
}

/** All that is not decided in one person's work. */
export function gapWords(person: Person, nSlices: number): string[] {
  return [
    ...endWords(person.unverified_ends, nSlices),
    ...holeWords(person.holes),
    ...suggestedWords(person.suggested),
  ];
}

/** Where a person stands with a task. */
export function personState(person: Person, now: Date = new Date()): { words: string; tone: Tone } {
  if (person.annotation_state === "accepted") return { words: t`accepted`, tone: "good" };
  if (person.annotation_state === "returned") return { words: t`returned`, tone: "warning" };
  if (person.state === "submitted") {
    const at = person.submitted_at === null ? "" : day(person.submitted_at);
    return person.late
      ? { words: t`submitted late ${at}`.trim(), tone: "good" }
      : { words: t`submitted ${at}`.trim(), tone: "good" };
  }
  if (person.state === "taken_back") return { words: t`taken back`, tone: "plain" };
  if (person.state === "expired") {
    return person.late
      ? { words: t`late: still at work after the time ran out`, tone: "warning" }
      : { words: t`time ran out`, tone: "warning" };
  }
  if (person.late) return { words: t`late`, tone: "warning" };
  const time = until(person.lease_until, now);
  return { words: t`reserved until ${time}`, tone: "busy" };
}

export function maskWords(state: Person["mask_state"]): { words: string; tone: Tone } | null {
  switch (state) {
    case "none":
      return null;
    case "queued":
      return { words: t`mask waits its turn`, tone: "plain" };
    case "running":
      return { words: t`mask is being made`, tone: "busy" };
    case "done":
      return { words: t`mask ready`, tone: "good" };
    case "failed":
      return { words: t`mask failed, see Jobs`, tone: "problem" };
  }
}

export function taskState(state: Schema<"TaskState">): { words: string; tone: Tone } {
  switch (state) {
    case "open":
      return { words: t`open`, tone: "plain" };
    case "complete":
      return { words: t`complete`, tone: "good" };
    case "archived":
      return { words: t`archived`, tone: "plain" };
  }
}
