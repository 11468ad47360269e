import { I18nProvider } from "@lingui/react";
import { MantineProvider } from "@mantine/core";
import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { i18n } from "@/shared/texts/i18n";
import { Curve, pathOf } from "./curve";
import { PAPER, settingsOf, TRY } from "./start-form";
import { TrainingsPage } from "./trainings-page";
import { countOf, foldsOf } from "./words";

const TRAINING: Schema<"TrainingAnswer"> = {
  id: "t1",
  name: "Crowd",
  export_id: "e1",
  dataset_name: "Dataset501_Crowd",
  dataset_version: 1,
  settings: {
    configurations: ["2d"],
    folds: [0],
    epochs: 4,
    iterations: 10,
    device: "auto",
    mirroring: false,
    small: true,
  },
  state: "done",
  progress: 1,
  error: null,
  steps: [],
  scored: 4,
  created_by: "Ana",
  created_at: "2026-01-02T10:00:00Z",
};
const TWIN = {
  ...TRAINING,
  id: "t2",
  name: "Reference",
  export_id: "e2",
  dataset_name: "Dataset502_Reference",
};
const FAILED = {
  ...TRAINING,
  id: "t3",
  name: "Third",
  export_id: "e3",
  scored: 0,
  state: "failed",
  error: "The disk is full.",
};
const DETAILS = {
  training: { ...FAILED, state: "queued", error: null },
  labels: ["anterior", "posterior"],
  results: [
    {
      configuration: "2d",
      key: "training:t3:2d",
      labels: [{ label_name: "anterior", mean: 0.5, ci: 0.125, n: 2, undefined: 0 }],
    },
    {
      configuration: null,
      key: "training:t3",
      labels: [{ label_name: "anterior", mean: null, ci: null, n: 0, undefined: 2 }],
    },
  ],
  origins: ["expert"],
  outdated_references: 0,
  steps: [
    {
      position: 0,
      stage: "train",
      configuration: "2d",
      fold: 0,
      state: "running",
      progress: 0.5,
      error: null,
      log: "Epoch 0",
      epochs: [
        { number: 0, train_loss: 1.5, val_loss: 1.25, pseudo_dice: [0.5, null], seconds: 2 },
        { number: 1, train_loss: 1, val_loss: null, pseudo_dice: [0.75, 0.25], seconds: 2 },
      ],
    },
  ],
};
const DATASET = {
  id: "e1",
  dataset_name: "Dataset501_Crowd",
  version: 1,
  state: "done",
  pair_id: "p",
  n_folds: 2,
  test_cases: ["a"],
  created_at: "2026-01-02T10:00:00Z",
};
const PAIRS = [
  { export_id: "e1", other_id: "e2", differs: "labels" },
  { export_id: "e1", other_id: "e4", differs: "volumes" },
];
const asked: [string, unknown][] = [];

function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
}

function open(address: string): void {
  openPage(
    { "/admin/projects/$projectId/trainings": TrainingsPage },
    address,
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
}

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname;
    if (request.method === "POST") {
      const sent = await request.text();
      asked.push([path, sent === "" ? null : JSON.parse(sent)]);
      return answer(path.endsWith("pair") ? [TRAINING, TWIN] : TRAINING, 201);
    }
    if (path.endsWith("/training-pairs")) return answer(PAIRS);
    if (path.endsWith("/exports"))
      return answer([DATASET, { ...DATASET, id: "e2", version: 2 }, { ...DATASET, id: "e4", version: 4 }]);
    return path.endsWith("/t3") ? answer(DETAILS) : answer([TRAINING, TWIN, FAILED]);
  });
});

describe("trainings", () => {
  it("are started with the paper's setting or as a quick try, alone or as a pair", async () => {
    const user = userEvent.setup({ delay: null });
    open("/admin/projects/p1/trainings");
    await user.click(await screen.findByRole("button", { name: "Start the training" }));
    expect(asked[0]).toEqual([
      "/api/v1/exports/e1/trainings",
      { settings: { ...PAPER, folds: [], epochs: 1000, iterations: 250 } },
    ]);
    await user.click(screen.getByRole("button", { name: "A quick try on a CPU" }));
    const pair = await screen.findByRole("button", {
      name: "Train versions 1 and 2: same scans, other labels",
    });
    screen.getByRole("button", { name: "Train versions 1 and 4: same labels, other scans" });
    await user.click(screen.getByRole("checkbox", { name: "3d_fullres" }));
    await user.click(pair);
    const settings = { ...TRY, configurations: ["2d", "3d_fullres"], folds: [0], epochs: 2, iterations: 10 };
    expect(asked[1]).toEqual(["/api/v1/exports/e1/training-pair", { other: "e2", settings }]);
    for (const name of ["2d", "3d_fullres"]) await user.click(screen.getByRole("checkbox", { name }));
    await user.click(screen.getByRole("button", { name: "Start the training" }));
    expect(screen.getByText("Choose at least one.")).toBeTruthy();
    await user.click(screen.getByRole("checkbox", { name: "2d" }));
    await user.clear(screen.getByLabelText("Epochs"));
    await user.click(screen.getByRole("button", { name: "Start the training" }));
    expect(asked).toHaveLength(2);
  });

  it("stand in a list, with their reason, what can be done, and the twin they are compared with", async () => {
    const user = userEvent.setup({ delay: null });
    open("/admin/projects/p1/trainings");
    const row = within(await screen.findByRole("row", { name: /Third/ }));
    row.getByText("The disk is full.");
    await user.click(row.getByRole("button", { name: "Resume Third" }));
    expect(asked).toEqual([["/api/v1/trainings/t3/resume", null]]);
    const link = screen.getByRole("link", { name: "Compare with Dataset502_Reference, version 1" });
    expect(decodeURIComponent(link.getAttribute("href") ?? "")).toMatch(/a=training:t1&b=training:t2/);
    expect(
      within(screen.getByRole("row", { name: /Third/ })).queryByRole("link", { name: /Compare/ }),
    ).toBeNull();
  });

  it("show curves and the log of each step, and what a waiting one waits for", async () => {
    open("/admin/projects/p1/trainings?open=t3");
    await screen.findByRole("img", { name: "Loss, over 2 epochs" });
    screen.getByRole("img", { name: /Pseudo Dice.*over 2 epochs/ });
    expect(screen.getByText("training: 1.000")).toBeTruthy();
    expect(screen.getByText("validation: –")).toBeTruthy();
    expect(screen.getByText("posterior: 0.250")).toBeTruthy();
    expect(screen.getByRole("log", { name: "Log of Train 2d, fold 0" }).textContent).toBe("Epoch 0");
    expect(screen.getByText(/pip install/)).toBeTruthy();
    const dice = within(screen.getByRole("row", { name: /anterior/ }));
    expect(dice.getAllByRole("cell").map((cell) => cell.textContent)).toEqual([
      "0.500 ± 0.125n = 2",
      "–n = 0",
    ]);
    expect(screen.getByText(/Reference: expert/)).toBeTruthy();
    const link = screen.getByRole("link", { name: "See the scores of its test scans: 2d" });
    expect(decodeURIComponent(link.getAttribute("href") ?? "")).toMatch(/a=training:t3:2d/);
  });

  it("say in their row what is known of the one that is open", async () => {
    open("/admin/projects/p1/trainings?open=t3");
    const row = within(await screen.findByRole("row", { name: /Third/ }));
    await row.findByText("waits its turn");
    expect(row.queryByText("The disk is full.")).toBeNull();
  });
});

describe("a curve", () => {
  it("breaks where there is no value, and is nothing without any", () => {
    const path = pathOf(
      [1, null, 2, 3],
      (epoch) => epoch,
      (value) => value,
    );
    expect(path).toBe("M0.0 1.0l0 0M2.0 2.0l0 0L3.0 3.0");
    const { container } = render(
      <I18nProvider i18n={i18n}>
        <Curve title="Loss" series={[{ name: "training", values: [null] }]} />
      </I18nProvider>,
    );
    expect(container.textContent).toBe("");
  });
});

describe("what is typed", () => {
  it("is folds and counts, or refused", () => {
    expect(foldsOf("")).toEqual([]);
    expect(foldsOf("0, 2")).toEqual([0, 2]);
    for (const wrong of ["1 1", "-1", "x", "0.5"]) expect(foldsOf(wrong)).toBeNull();
    expect(countOf("250")).toBe(250);
    for (const wrong of ["", "0", "1.5", "10001"]) expect(countOf(wrong)).toBeNull();
    expect(settingsOf({ ...PAPER, epochs: "" })).toBeNull();
  });
});
