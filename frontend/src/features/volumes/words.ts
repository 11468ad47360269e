import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";

type State = Schema<"VolumeState">;

export function stateWords(state: State): { readonly words: string; readonly tone: Tone } {
  switch (state) {
    case "ready":
      return { words: t`Ready`, tone: "good" };
    case "ingesting":
      return { words: t`Being read`, tone: "busy" };
    case "quarantined":
      return { words: t`Refused`, tone: "problem" };
    case "failed":
      return { words: t`Could not be read`, tone: "problem" };
  }
}

/** "512 × 512 × 130 voxels": as people say it, columns first. The API's shape is (z, y, x). */
export function shapeWords(shape: readonly number[] | null): string {
  return shape === null ? "" : [...shape].reverse().join(" × ");
}

/** "0.8 × 0.8 × 2.5 mm" */
export function spacingWords(spacing: readonly number[] | null): string {
  return spacing === null ? "" : `${spacing.map((mm) => Number(mm.toPrecision(3))).join(" × ")} mm`;
}
