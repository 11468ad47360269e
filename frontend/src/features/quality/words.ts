import type { Schema } from "@/api/queries";

/** A mean as it stands in a table; with its number of pairs where it is not of all. */
export function mean(value: Schema<"MeanAnswer">, pairs: number, write: (mean: number) => string): string {
  if (value.mean === null) return "–";
  return value.n === pairs ? write(value.mean) : `${write(value.mean)} (${value.n})`;
}

/** A difference in slices: the other begins or ends later (+) or earlier (-) than the one. */
export function signed(slices: number | null): string {
  if (slices === null) return "–";
  return slices > 0 ? `+${slices}` : slices < 0 ? `−${-slices}` : "0";
}
