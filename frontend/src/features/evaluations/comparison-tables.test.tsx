import { I18nProvider } from "@lingui/react";
import { render, screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Schema } from "@/api/queries";
import { i18n } from "@/shared/texts/i18n";
import { ComparisonTables } from "./comparison-tables";

function mean(value: number): Schema<"ScoreMean"> {
  return { mean: value, ci: 0.04, low: value - 0.05, high: value + 0.05, n: 6, undefined: 0, shapiro_p: 0.5 };
}

function row(
  label: string | null,
  p: number | null,
  more: Partial<Schema<"ComparedLabel">> = {},
): Schema<"ComparedLabel"> {
  return {
    score: "volume_dice",
    label_name: label,
    a: mean(0.7),
    b: mean(0.8),
    p,
    p_holm: label === null ? null : p,
    pairs: 6,
    only_a: 1,
    only_b: 2,
    slices: null,
    ...more,
  };
}

const SLICES: Schema<"SliceTestAnswer"> = {
  a: { mean: 0.8, ci: 0.01 },
  b: { mean: 0.82, ci: 0.01 },
  p: 0.00002,
  pairs: 1234,
  volumes: 6,
};

const COMPARISON: Schema<"ComparisonAnswer"> = {
  a: { key: "masks", kind: "masks", name: null },
  b: { key: "training:1", kind: "training", name: "Reference labels" },
  origins: ["expert", "model"],
  outdated_references: 0,
  rows: [
    row("Liver", 0.0004),
    row("Spleen", null),
    row(null, 0.03125),
    row("Liver", 0.21, { score: "slice_dice", slices: SLICES }),
    row("Spleen", 0.4, { score: "slice_dice" }),
  ],
  without_slices: 0,
};

describe("two sets of scores", () => {
  it("stand side by side with p, corrected p, and what is left out", () => {
    render(
      <I18nProvider i18n={i18n}>
        <ComparisonTables comparison={COMPARISON} />
      </I18nProvider>,
    );
    const table = within(screen.getByRole("group", { name: "Dice of the volume" }));
    const heads = table.getAllByRole("columnheader").map((cell) => cell.textContent);
    expect(heads.slice(1, 3)).toEqual(["All masks", "Training Reference labels"]);
    const texts = (name: RegExp) =>
      within(table.getByRole("row", { name }))
        .getAllByRole("cell")
        .slice(2)
        .map((cell) => cell.textContent);
    expect(texts(/Liver/)).toEqual(["6", "< 0.001", "< 0.001", "3"]);
    expect(texts(/Spleen/)).toEqual(["6", "–", "–", "3"]);
    expect(texts(/Mean of the organs/)).toEqual(["6", "0.031", "–", "3"]);
    expect(screen.getAllByText(/Reference: expert, model\./).length).toBeGreaterThan(0);
  });

  it("have the p over slices beside the one over scans, with n and why it is too small", () => {
    render(
      <I18nProvider i18n={i18n}>
        <ComparisonTables comparison={COMPARISON} />
      </I18nProvider>,
    );
    const table = within(screen.getByRole("group", { name: "Mean Dice, slices with a mask" }));
    const texts = (name: RegExp) =>
      within(table.getByRole("row", { name }))
        .getAllByRole("cell")
        .slice(3)
        .map((cell) => cell.textContent);
    expect(texts(/Liver/)).toEqual(["0.210", "0.210", "< 0.001n = 1234 slices of 6 scans", "3"]);
    expect(texts(/Spleen/)).toEqual(["0.400", "0.400", "–", "3"]);
    expect(screen.getByText(/not independent, so this p is too small/)).toBeTruthy();
    const volume = within(screen.getByRole("group", { name: "Dice of the volume" }));
    expect(volume.queryByText("p over slices")).toBeNull();
  });
});
