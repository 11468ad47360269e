/** A project as it is being written, and what is still wrong with it. */
import type { Schema } from "@/api/queries";

export const LARGEST_OVERLAP = 100;
export const MOST_LABELS = 255;
/** Hounsfield units in which soft tissue is seen best. */
export const SOFT_TISSUE = { low: -160, high: 240 } as const;
export const HEADINGS = ["Organ", "Structure", "Tumour"] as const;

export type WindowChoice = "own" | "soft_tissue" | "custom";

export interface Draft {
  readonly name: string;
  readonly labels: readonly string[];
  /** Names in the field below the list, which were not added to it yet. */
  readonly typedLabels: string;
  readonly windowChoice: WindowChoice;
  /** As typed. */
  readonly low: string;
  readonly high: string;
  readonly overlap: string;
  readonly heading: string;
  readonly consentText: string;
  /** What datasets take unless they say otherwise. */
  readonly completion: Schema<"Completion">;
  readonly citation: string;
}

export const EMPTY_DRAFT: Draft = {
  name: "",
  labels: [],
  typedLabels: "",
  windowChoice: "own",
  low: String(SOFT_TISSUE.low),
  high: String(SOFT_TISSUE.high),
  overlap: "1",
  heading: "Organ",
  consentText: "",
  completion: "none",
  citation: "",
};

export type DraftProblem =
  | "name_missing"
  | "name_long"
  | "labels_missing"
  | "labels_many"
  | "labels_twice"
  | "window_numbers"
  | "window_order"
  | "overlap_range"
  | "heading_missing"
  | "heading_long";

/** Names out of what was pasted: a line each, or between commas or semicolons. */
export function namesIn(text: string): string[] {
  return text
    .split(/[\n\r,;]+/)
    .map((name) => name.trim().replace(/\s+/g, " "))
    .filter((name) => name !== "");
}

/** Names that stand in the list more than once, whatever their letters' case. */
export function doubledNames(names: readonly string[]): string[] {
  const seen = new Set<string>();
  const doubled: string[] = [];
  for (const name of names) {
    const key = name.toLowerCase();
    if (seen.has(key)) doubled.push(name);
    seen.add(key);
  }
  return doubled;
}

/** The list and what stands typed below it: who types a name and sends the form means that name. */
export function allLabels(draft: Pick<Draft, "labels" | "typedLabels">): readonly string[] {
  return [...draft.labels, ...namesIn(draft.typedLabels)];
}

function numberIn(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text.replace(",", ".").replace("−", "-"));
}

type Rules = Pick<Draft, "windowChoice" | "low" | "high" | "overlap" | "heading">;

export function ruleProblems(draft: Rules): DraftProblem[] {
  const found: DraftProblem[] = [];
  if (draft.windowChoice === "custom") {
    const [low, high] = [numberIn(draft.low), numberIn(draft.high)];
    if (!Number.isFinite(low) || !Number.isFinite(high)) found.push("window_numbers");
    else if (low >= high) found.push("window_order");
  }
  const overlap = numberIn(draft.overlap);
  if (!Number.isInteger(overlap) || overlap < 1 || overlap > LARGEST_OVERLAP) found.push("overlap_range");
  if (draft.heading.trim() === "") found.push("heading_missing");
  else if (draft.heading.trim().length > 40) found.push("heading_long");
  return found;
}

export function draftProblems(draft: Draft): DraftProblem[] {
  const found: DraftProblem[] = [];
  if (draft.name.trim() === "") found.push("name_missing");
  else if (draft.name.trim().length > 200) found.push("name_long");
  const labels = allLabels(draft);
  if (labels.length === 0) found.push("labels_missing");
  else if (labels.length > MOST_LABELS) found.push("labels_many");
  if (doubledNames(labels).length > 0) found.push("labels_twice");
  return [...found, ...ruleProblems(draft)];
}

export function windowOf(draft: Rules): Schema<"WindowForm"> | null {
  if (draft.windowChoice === "own") return null;
  if (draft.windowChoice === "soft_tissue") return { ...SOFT_TISSUE };
  return { low: numberIn(draft.low), high: numberIn(draft.high) };
}

/** The form that the API takes. The draft must have no problems. */
export function formOf(draft: Draft): Schema<"ProjectForm"> {
  return {
    name: draft.name.trim(),
    labels: allLabels(draft).map((name) => ({ name, guide: "" })),
    window: windowOf(draft),
    overlap: numberIn(draft.overlap),
    label_heading: draft.heading.trim(),
    consent_text: draft.consentText.trim(),
    completion: draft.completion,
    citation: draft.citation.trim(),
  };
}

/** What a project's rules look like in the form. */
export function draftOf(project: Schema<"ProjectAnswer">): Draft {
  const window = project.window;
  const isSoftTissue = window?.low === SOFT_TISSUE.low && window.high === SOFT_TISSUE.high;
  return {
    name: project.name,
    labels: project.labels.map((label) => label.name),
    typedLabels: "",
    windowChoice: window === null ? "own" : isSoftTissue ? "soft_tissue" : "custom",
    low: String(window?.low ?? SOFT_TISSUE.low),
    high: String(window?.high ?? SOFT_TISSUE.high),
    overlap: String(project.overlap),
    heading: project.label_heading,
    consentText: project.consent.text,
    completion: project.completion,
    citation: project.citation,
  };
}

/** Only what differs, as the API's patch: what is left out stays as it is. */
export function patchOf(before: Draft, after: Draft): Schema<"ProjectPatch"> {
  const patch: Schema<"ProjectPatch"> = {};
  const [old, now] = [formOf(before), formOf(after)];
  if (old.name !== now.name) patch.name = now.name;
  if (old.overlap !== now.overlap && now.overlap !== undefined) patch.overlap = now.overlap;
  if (old.label_heading !== now.label_heading && now.label_heading !== undefined) {
    patch.label_heading = now.label_heading;
  }
  if (old.consent_text !== now.consent_text && now.consent_text !== undefined) {
    patch.consent_text = now.consent_text;
  }
  if (old.window?.low !== now.window?.low || old.window?.high !== now.window?.high) {
    patch.window = now.window ?? null;
  }
  if (old.completion !== now.completion && now.completion !== undefined) patch.completion = now.completion;
  if (old.citation !== now.citation && now.citation !== undefined) patch.citation = now.citation;
  return patch;
}
