import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";

export function exportState(state: Schema<"ExportAnswer">["state"]): { words: string; tone: Tone } {
  switch (state) {
    case "making":
      return { words: t`Masks are being made`, tone: "plain" };
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

/** nnU-Net's folder name allows letters, digits and underscores. */
export function isDatasetName(name: string): boolean {
  return /^[A-Za-z0-9_]{1,100}$/.test(name);
}

export function datasetNumber(typed: string): number | null {
  const number = Number(typed);
  return typed.trim() !== "" && Number.isInteger(number) && number >= 1 && number <= 999 ? number : null;
}
