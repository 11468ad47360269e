import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";

export const SCORES = [
  "volume_dice",
  "slice_dice",
  "slice_dice_all",
  "hd95_mm",
  "nsd_2mm",
  "coverage",
  "volume_error",
] as const satisfies readonly Schema<"ScoreName">[];
export type ScoreName = (typeof SCORES)[number];

/** A score as the head of a column. */
export function scoreWord(name: ScoreName): string {
  switch (name) {
    case "volume_dice":
      return t`Dice of the volume`;
    case "slice_dice":
      return t`Mean Dice, slices with a mask`;
    case "slice_dice_all":
      return t`Mean Dice, slices of either`;
    case "hd95_mm":
      return t`Distance, 95 % (mm)`;
    case "nsd_2mm":
      return t`Surface within 2 mm`;
    case "coverage":
      return t`Coverage`;
    case "volume_error":
      return t`Volume error`;
  }
}

/** A value of that score: Dice and shares with three digits, millimetres with one. */
export function scoreValue(name: ScoreName, value: number | null): string {
  if (value === null) return "–";
  return value.toFixed(name === "hd95_mm" ? 1 : 3);
}

/** How people call a set of scores. */
export function setWord(set: Schema<"ScoreSetName">): string {
  const name = set.name ?? "";
  switch (set.kind) {
    case "masks":
      return t`All masks`;
    case "person":
      return t`Masks from the boxes of ${name}`;
    case "training":
      return t`Training ${name}`;
  }
}

export function pValue(p: number | null): string {
  if (p === null) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}
