/** A dataset as it is being chosen, and what is still wrong with it. */
import type { Schema } from "@/api/queries";

export type ChoiceForm = Schema<"ChoiceForm">;
export type Source = Schema<"LabelSource">;
export type TestChoice = "none" | "share" | "named";

export interface Draft {
  /** Names; null for all of the project, also those to come. */
  readonly labels: readonly string[] | null;
  readonly source: Source;
  readonly annotator: string;
  readonly unfinished: boolean;
  readonly acceptedOnly: boolean;
  /** Per cent, as typed; so are the other numbers. */
  readonly completeness: string;
  readonly annotators: string;
  readonly agreement: string;
  readonly predictedIou: string;
  readonly modalities: readonly string[];
  /** Empty for what the project says. */
  readonly completion: Schema<"Completion"> | "";
  readonly confirmedOnly: boolean;
  readonly partial: Schema<"PartialRule">;
  readonly overlapRule: Schema<"OverlapRule">;
  readonly testChoice: TestChoice;
  readonly testShare: string;
  readonly test: readonly string[];
  readonly folds: string;
  readonly seed: string;
  readonly model: NonNullable<ChoiceForm["model"]> | "";
}

export const EMPTY_DRAFT: Draft = {
  labels: null,
  source: "first",
  annotator: "",
  unfinished: false,
  acceptedOnly: false,
  completeness: "50",
  annotators: "1",
  agreement: "",
  predictedIou: "",
  modalities: [],
  completion: "",
  confirmedOnly: false,
  partial: "drop-volume",
  overlapRule: "smallest-wins",
  testChoice: "none",
  testShare: "20",
  test: [],
  folds: "0",
  seed: "0",
  model: "",
};

export type DraftProblem =
  | "labels_missing"
  | "annotator_missing"
  | "completeness_range"
  | "annotators_range"
  | "agreement_range"
  | "predicted_iou_range"
  | "share_range"
  | "test_missing"
  | "folds_range"
  | "seed_range";

function numberIn(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text.replace(",", "."));
}

function isWhole(text: string, least: number, most: number): boolean {
  const number = numberIn(text);
  return Number.isInteger(number) && number >= least && number <= most;
}

function isBetween(text: string, least: number, most: number): boolean {
  const number = numberIn(text);
  return number >= least && number <= most;
}

/** Empty is as good: not asked for. */
function isShareOrEmpty(text: string): boolean {
  return text.trim() === "" || isBetween(text, 0, 1);
}

export function draftProblems(draft: Draft): DraftProblem[] {
  const found: DraftProblem[] = [];
  const isOfPeople = draft.source !== "reference";
  if (draft.labels?.length === 0) found.push("labels_missing");
  if (draft.source === "annotator" && draft.annotator === "") found.push("annotator_missing");
  if (countsUnfinished(draft) && !isBetween(draft.completeness, 0, 100)) {
    found.push("completeness_range");
  }
  if (isOfPeople && !isWhole(draft.annotators, 1, 1000)) found.push("annotators_range");
  if (isOfPeople && !isShareOrEmpty(draft.agreement)) found.push("agreement_range");
  if (isOfPeople && !isShareOrEmpty(draft.predictedIou)) found.push("predicted_iou_range");
  if (draft.testChoice === "share" && !isBetween(draft.testShare, 1, 90)) found.push("share_range");
  if (draft.testChoice === "named" && draft.test.length === 0) found.push("test_missing");
  if (!isWhole(draft.folds, 0, 100) || numberIn(draft.folds) === 1) found.push("folds_range");
  if (!isWhole(draft.seed, 0, 2 ** 31 - 1)) found.push("seed_range");
  return found;
}

function shareOrNull(text: string): number | null {
  return text.trim() === "" ? null : numberIn(text);
}

/** Unfinished work counts as well, unless only accepted work counts. */
function countsUnfinished(draft: Draft): boolean {
  return draft.source !== "reference" && draft.unfinished && !draft.acceptedOnly;
}

/** What the API takes. What does not hold for the source is left at its default. The draft must have no problems. */
export function choiceOf(draft: Draft): ChoiceForm {
  const isOfPeople = draft.source !== "reference";
  return {
    labels: [...(draft.labels ?? [])],
    source: draft.source,
    annotator: draft.source === "annotator" ? draft.annotator : null,
    unfinished: countsUnfinished(draft),
    accepted_only: isOfPeople && draft.acceptedOnly,
    min_completeness: countsUnfinished(draft) ? numberIn(draft.completeness) / 100 : 0,
    min_annotators: isOfPeople ? numberIn(draft.annotators) : 1,
    min_agreement: isOfPeople ? shareOrNull(draft.agreement) : null,
    min_predicted_iou: isOfPeople ? shareOrNull(draft.predictedIou) : null,
    modalities: [...draft.modalities],
    completion: !isOfPeople || draft.confirmedOnly || draft.completion === "" ? null : draft.completion,
    confirmed_only: isOfPeople && draft.confirmedOnly,
    partial: draft.partial,
    overlap_rule: draft.overlapRule,
    test: draft.testChoice === "named" ? [...draft.test] : [],
    test_share: draft.testChoice === "share" ? numberIn(draft.testShare) / 100 : 0,
    folds: numberIn(draft.folds),
    seed: numberIn(draft.seed),
    model: isOfPeople && draft.model !== "" ? draft.model : null,
  };
}

export interface Reason {
  readonly reason: string;
  readonly names: readonly string[];
}

/** Volumes by why they are left out, the most frequent reason first. */
export function byReason(leftOut: readonly Schema<"LeftOutAnswer">[]): Reason[] {
  const found = new Map<string, string[]>();
  for (const { reason, volume_name: name } of leftOut) {
    found.set(reason, [...(found.get(reason) ?? []), name]);
  }
  return [...found]
    .map(([reason, names]) => ({ reason, names }))
    .sort((a, b) => b.names.length - a.names.length);
}

export interface Folder {
  readonly name: string;
  readonly files: readonly string[];
}

/** Files by folder, in their order; those at the top have the name "". */
export function folders(paths: readonly string[]): Folder[] {
  const found = new Map<string, string[]>();
  for (const path of paths) {
    const cut = path.lastIndexOf("/");
    const name = cut < 0 ? "" : path.slice(0, cut);
    found.set(name, [...(found.get(name) ?? []), path.slice(cut + 1)]);
  }
  return [...found]
    .map(([name, files]) => ({ name, files }))
    .sort((a, b) => (a.name === "" ? 1 : b.name === "" ? -1 : a.name.localeCompare(b.name)));
}
