import { MantineProvider } from "@mantine/core";
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { ReportPage } from "./report-page";
import { SCORES } from "./words";

const MASKS: Schema<"ScoreSetAnswer"> = { key: "masks", kind: "masks", name: null, scores: 6 };
const TRAINING: Schema<"ScoreSetAnswer"> = { key: "training:t1", kind: "training", name: "Crowd", scores: 4 };
const ONE: Schema<"ScoreSetAnswer"> = { key: "training:t2", kind: "training", name: "Try", scores: 1 };
const MEAN: Schema<"ScoreMean"> = {
  mean: 0.7,
  ci: 0.05,
  low: 0.64,
  high: 0.76,
  n: 6,
  undefined: 0,
  shapiro_p: 0.5,
};

function summary(means: boolean): Schema<"ScoreSummary"> {
  const scores = Object.fromEntries(SCORES.map((name) => [name, MEAN]));
  const liver = { label_index: 4, label_name: "Liver" };
  return {
    set: MASKS,
    origins: means ? ["model"] : [],
    outdated_references: 0,
    means: means ? [{ ...liver, ...scores } as Schema<"LabelMeans">] : [],
    volumes: means ? [{ ...liver, mean: -12.34, low: -40, high: 15.5, n: 6 }] : [],
    worst: means
      ? [
          {
            ...liver,
            mask_id: "m1",
            volume_id: "v1",
            volume_name: "CT 1",
            by: "Ada",
            volume_dice: 0.31,
            coverage: 0.4,
            hd95_mm: null,
          },
        ]
      : [],
  };
}

const COMPARISON: Schema<"ComparisonAnswer"> = {
  a: MASKS,
  b: TRAINING,
  origins: ["model"],
  outdated_references: 0,
  rows: [
    {
      score: "volume_dice",
      label_name: "Liver",
      a: MEAN,
      b: MEAN,
      p: 0.03125,
      p_holm: 0.03125,
      pairs: 4,
      only_a: 2,
      only_b: 0,
      slices: null,
    },
  ],
  without_slices: 3,
};
let isEvaluated = true;
const asked: string[] = [];

function answer(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

function open(address: string) {
  return openPage(
    { "/admin/projects/$projectId/report": ReportPage },
    address,
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
}

beforeEach(() => {
  isEvaluated = true;
  asked.length = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    asked.push(decodeURIComponent(search));
    if (pathname.endsWith("/sets")) return answer([MASKS, TRAINING, ONE]);
    return answer(pathname.endsWith("/comparison") ? COMPARISON : summary(isEvaluated));
  });
});

describe("the report", () => {
  it("sums up all masks, with plots that say where their values stand", async () => {
    open("/admin/projects/p1/report");
    const means = within(await screen.findByRole("group", { name: /^Means/ }));
    expect(means.getAllByText("0.700 ± 0.050").length).toBeGreaterThan(0);
    const volumes = within(screen.getByRole("group", { name: /^Volume of the mask/ }));
    expect(volumes.getByRole("row", { name: /Liver/ }).textContent).toContain("-12.3-40.0 … 15.5");
    const worst = within(screen.getByRole("group", { name: /^Lowest/ }));
    expect(worst.getByRole("row", { name: /CT 1/ }).textContent).toContain("Ada0.3100.400–");
    expect(worst.getByRole("link", { name: "CT 1" }).getAttribute("href")).toBe(
      "/admin/projects/p1/review?volume=v1&label=4&mask=m1",
    );
    const plots = screen.getAllByRole("img");
    expect(plots).toHaveLength(5);
    expect(plots[0]?.getAttribute("src")).toBe(
      "/api/v1/projects/p1/evaluations/plots/boxes?a=masks&score=volume_dice",
    );
    expect(screen.getAllByText(/Reference: model\./)).toHaveLength(3);
    expect(screen.getByRole("link", { name: "Download the report" }).getAttribute("href")).toBe(
      "/api/v1/projects/p1/evaluations/report?a=masks",
    );
  });

  it("sets another set beside it; the address keeps the choice", async () => {
    const router = open("/admin/projects/p1/report");
    const user = userEvent.setup({ delay: null });
    await screen.findAllByRole("option", { name: "Training Crowd (4 scores)" });
    await screen.findAllByRole("option", { name: "Training Try (1 score)" });
    await user.selectOptions(await screen.findByLabelText("Compared with"), "training:t1");
    const dice = within(await screen.findByRole("group", { name: "Dice of the volume" }));
    expect(dice.getByRole("row", { name: /Liver/ }).textContent).toContain("40.0310.0312");
    expect(asked).toContain("?a=masks&b=training:t1");
    expect(router.state.location.search).toEqual({ a: "masks", b: "training:t1" });
    expect(screen.getByText(/^3 of these scores were made by an earlier version/)).toBeTruthy();
    expect(screen.getByRole("link", { name: "Evaluate again" }).getAttribute("href")).toBe(
      "/admin/projects/p1/evaluations",
    );
    expect(screen.getByRole("link", { name: "Download the comparison as CSV" }).getAttribute("href")).toBe(
      "/api/v1/projects/p1/evaluations/comparison/table?a=masks&b=training%3At1",
    );
    expect(screen.getByRole("link", { name: "Download the report" }).getAttribute("href")).toBe(
      "/api/v1/projects/p1/evaluations/report?a=masks&b=training%3At1",
    );
  });

  it("leads to the evaluations when nothing is evaluated", async () => {
    isEvaluated = false;
    open("/admin/projects/p1/report");
    expect(await screen.findByText("Nothing is evaluated yet")).toBeTruthy();
    expect(screen.getByRole("link", { name: "To the evaluations" })).toBeTruthy();
    expect(screen.queryByRole("link", { name: "Download the report" })).toBeNull();
  });
});
