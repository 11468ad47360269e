import { t } from "@lingui/core/macro";
import { type Draft, type DraftProblem, doubledNames, LARGEST_OVERLAP, MOST_LABELS } from "./draft";

/** What is wrong with a draft, in words. */
export function problemWords(problem: DraftProblem, draft: Pick<Draft, "labels">): string {
  switch (problem) {
    case "name_missing":
      return t`Give the project a name.`;
    case "name_long":
      return t`The name may have at most 200 characters.`;
    case "labels_missing":
      return t`Add at least one organ.`;
    case "labels_many":
      return t`A project can have at most ${MOST_LABELS} organs.`;
    case "labels_twice": {
      const names = doubledNames(draft.labels).join(", ");
      return t`Each organ may stand here once. Twice: ${names}`;
    }
    case "window_numbers":
      return t`Give two numbers, for example -160 and 240.`;
    case "window_order":
      return t`The value shown black must be smaller than the one shown white.`;
    case "overlap_range":
      return t`Give a whole number from 1 to ${LARGEST_OVERLAP}.`;
    case "heading_missing":
      return t`Say what the things to find are called.`;
    case "heading_long":
      return t`The word may have at most 40 characters.`;
  }
}
