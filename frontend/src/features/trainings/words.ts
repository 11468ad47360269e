import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";

export function trainingState(state: Schema<"TrainingState">): { words: string; tone: Tone } {
  switch (state) {
    case "waiting":
      return { words: t`comes later`, tone: "plain" };
    case "queued":
      return { words: t`waits its turn`, tone: "plain" };
    case "running":
      return { words: t`running`, tone: "busy" };
    case "done":
      return { words: t`done`, tone: "good" };
    case "failed":
      return { words: t`failed`, tone: "problem" };
    case "cancelled":
      return { words: t`stopped`, tone: "plain" };
  }
}

export function stepWord(
  step: Pick<Schema<"TrainingStepAnswer">, "stage" | "configuration" | "fold">,
): string {
  const fold = step.fold ?? 0;
  const configuration = step.configuration ?? "";
  switch (step.stage) {
    case "plan":
      return t`Plan and preprocess`;
    case "train":
      return t`Train ${configuration}, fold ${fold}`;
    case "predict":
      return t`Predict the test scans by ${configuration}, and score`;
    case "ensemble":
      return t`Predict the test scans by all together (ensemble), and score`;
  }
}

/** A configuration's name is nnU-Net's; none: all of them together. */
export function networkWord(configuration: Schema<"Configuration"> | null): string {
  return configuration ?? t`Ensemble`;
}

/** What was asked for, in one line. */
export function settingsWord(settings: Schema<"TrainingSettingsAnswer">): string {
  const { epochs, iterations } = settings;
  const configurations = settings.configurations.join(" + ");
  const parts = [t`${configurations}, ${epochs} epochs of ${iterations} iterations`];
  parts.push(settings.mirroring ? t`with mirroring` : t`no mirroring`);
  if (settings.small) parts.push(t`small network: a try, no result`);
  return parts.join("; ");
}

/** "0, 2" as numbers, nothing as all; null where it is neither. */
export function foldsOf(text: string): number[] | null {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== "");
  const folds = parts.map(Number);
  const isGood = folds.every((fold) => Number.isInteger(fold) && fold >= 0 && fold < 100);
  return isGood && new Set(folds).size === folds.length ? folds : null;
}

/** A whole number from 1 to 10,000, null where the text is none. */
export function countOf(text: string): number | null {
  const count = Number(text);
  return text.trim() !== "" && Number.isInteger(count) && count >= 1 && count <= 10_000 ? count : null;
}
