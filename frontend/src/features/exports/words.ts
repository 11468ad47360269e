import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";
import type { DraftProblem } from "./draft";

export function exportState(state: Schema<"ExportAnswer">["state"]): { words: string; tone: Tone } {
  switch (state) {
    case "making":
      return { words: t`masks are being made`, tone: "busy" };
    case "queued":
      return { words: t`waits its turn`, tone: "plain" };
    case "running":
      return { words: t`being written`, tone: "busy" };
    case "done":
      return { words: t`ready`, tone: "good" };
    case "failed":
      return { words: t`failed`, tone: "problem" };
  }
}

export function sourceWords(source: Schema<"LabelSource">): string {
  switch (source) {
    case "first":
      return t`the answer submitted first`;
    case "median":
      return t`median boxes of all answers`;
    case "annotator":
      return t`one person's work`;
    case "reference":
      return t`reference labels`;
  }
}

export function partialWords(rule: Schema<"PartialRule">): string {
  switch (rule) {
    case "drop-volume":
      return t`The scan stays out`;
    case "drop-label":
      return t`The organ leaves the dataset`;
    case "ignore":
      return t`Those slices are marked "ignore" for nnU-Net`;
  }
}

export function completionWords(completion: Schema<"Completion">): string {
  switch (completion) {
    case "none":
      return t`Nothing: only slices with a box get a mask`;
    case "fill":
      return t`Fill in between two pieces of an organ`;
    case "full":
      return t`Fill in, and guess beyond the ends`;
  }
}

export function partWords(part: Schema<"DatasetPart">): string {
  switch (part) {
    case "card":
      return t`Card`;
    case "manifest":
      return t`Manifest`;
    case "boxes-csv":
      return t`Boxes, CSV`;
    case "boxes-coco":
      return t`Boxes, COCO`;
    case "boxes-yolo":
      return t`Boxes, YOLO`;
    case "boxes-files":
      return t`Boxes files`;
  }
}

export function problemWords(problem: DraftProblem): string {
  switch (problem) {
    case "labels_missing":
      return t`Choose at least one organ.`;
    case "annotator_missing":
      return t`Say whose work.`;
    case "completeness_range":
      return t`Give a number from 0 to 100.`;
    case "annotators_range":
      return t`Give a whole number from 1 to 1000.`;
    case "agreement_range":
    case "predicted_iou_range":
      return t`Give a number from 0 to 1, or nothing.`;
    case "share_range":
      return t`Give a number from 1 to 90.`;
    case "test_missing":
      return t`Choose at least one scan.`;
    case "folds_range":
      return t`Give 0 for none, or a whole number from 2 to 100.`;
    case "seed_range":
      return t`Give a whole number, 0 or more.`;
  }
}

/** nnU-Net's folder name allows letters, digits and underscores. */
export function isDatasetName(name: string): boolean {
  return /^[A-Za-z0-9_]{1,100}$/.test(name);
}

export function datasetNumber(typed: string): number | null {
  const number = Number(typed);
  return typed.trim() !== "" && Number.isInteger(number) && number >= 1 && number <= 999 ? number : null;
}
