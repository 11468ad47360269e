import { I18nProvider } from "@lingui/react";
import { render, screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Schema } from "@/api/queries";
import { i18n } from "@/shared/texts/i18n";
import { MeansTable } from "./means-table";
import { SCORES } from "./words";

const MEAN: Schema<"ScoreMean"> = {
  mean: 0.8125,
  ci: 0.0432,
  low: 0.77,
  high: 0.85,
  n: 12,
  undefined: 1,
  shapiro_p: 0.4,
};
const NOTHING: Schema<"ScoreMean"> = {
  mean: null,
  ci: null,
  low: null,
  high: null,
  n: 0,
  undefined: 3,
  shapiro_p: null,
};

describe("the means of an organ", () => {
  it("stand with both intervals, n and what is undefined", () => {
    const label = {
      label_index: 4,
      label_name: "Liver",
      ...Object.fromEntries(SCORES.map((name) => [name, MEAN])),
      hd95_mm: NOTHING,
    } as Schema<"LabelMeans">;
    render(
      <I18nProvider i18n={i18n}>
        <MeansTable means={[label]} />
      </I18nProvider>,
    );
    const row = within(screen.getByRole("row", { name: /4 Liver/ }));
    const cells = row.getAllByRole("cell").map((cell) => cell.textContent);
    expect(cells[0]).toBe("0.813 ± 0.043[0.770, 0.850] n = 12, 1 undefined");
    expect(cells[3]).toBe("– n = 0, 3 undefined");
    expect(cells).toHaveLength(SCORES.length);
  });
});
