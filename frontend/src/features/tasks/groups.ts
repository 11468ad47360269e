import type { Schema } from "@/api/queries";

export type Assignment = Schema<"AssignmentAnswer">;

/** How a project's cards are laid out. */
export interface Groups {
  /** To go on with: what was sent back first, then what is reserved, then what ran out. */
  readonly open: readonly Assignment[];
  readonly finished: readonly Assignment[];
  /** Given back or taken back; shown where there is work in it. */
  readonly former: readonly Assignment[];
}

export function isReturned({ work }: Assignment): boolean {
  return work?.state === "returned";
}

function isFinished({ work, state }: Assignment): boolean {
  if (work === null) return state === "submitted";
  return work.state === "submitted" || work.state === "accepted";
}

/** Keeps the order within each group: the server's, the newest first. */
export function grouped(assignments: readonly Assignment[]): Groups {
  const finished = assignments.filter(isFinished);
  const rest = assignments.filter((one) => !isFinished(one));
  const own = rest.filter(({ state }) => state !== "taken_back");
  const rank = (one: Assignment) => (isReturned(one) ? 0 : one.state === "expired" ? 2 : 1);
  return {
    open: [...own].sort((one, other) => rank(one) - rank(other)),
    finished,
    former: rest.filter(({ state, work }) => state === "taken_back" && work !== null && work.revision > 0),
  };
}

/** "Liver" within a sentence; names that are an abbreviation stay as they are. */
export function withinSentence(name: string): string {
  const [first = "", second = ""] = name;
  return second === second.toUpperCase() && second !== second.toLowerCase()
    ? name
    : first.toLowerCase() + name.slice(first.length);
}

/** How many slices are decided. The server says a share; only complete work counts as all. */
export function decided({ work, n_slices }: Assignment): number {
  if (work === null) return 0;
  if (work.share >= 1) return n_slices;
  return Math.min(Math.max(0, n_slices - 1), Math.round(work.share * n_slices));
}
