import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";

export function jobState(state: Schema<"JobState">): { words: string; tone: Tone } {
  switch (state) {
    case "queued":
      return { words: t`waits its turn`, tone: "plain" };
    case "running":
      return { words: t`running`, tone: "busy" };
    case "done":
      return { words: t`done`, tone: "good" };
    case "dead":
      return { words: t`failed`, tone: "problem" };
    case "cancelled":
      return { words: t`stopped`, tone: "plain" };
  }
}

export function jobKind(kind: Schema<"JobKind">): string {
  switch (kind) {
    case "ingest":
      return t`Read a scan`;
    case "embed":
      return t`Prepare a scan`;
    case "segment":
      return t`Make a mask`;
    case "export":
      return t`Write a dataset`;
    case "evaluate":
      return t`Evaluate a mask`;
    case "train":
      return t`Train a model`;
  }
}
