import { MantineProvider } from "@mantine/core";
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { ToastProvider } from "@/shared/ui/toast";
import { ExportsPage } from "./exports-page";

const PROJECT = {
  id: "p1",
  labels: [
    { index: 1, name: "liver", guide: "", pictures: [] },
    { index: 2, name: "spleen", guide: "", pictures: [] },
  ],
  completion: "fill",
};

const DATASET = {
  id: "e1",
  version: 1,
  dataset_name: "Dataset501_Abdomen",
  state: "done",
  progress: 1,
  error: null,
  cases: ["a", "b"],
  test_cases: ["c"],
  n_folds: 5,
  labels: { spleen: 2, liver: 1 },
  left_out: [],
  dropped_labels: [],
  masks_needed: 4,
  masks_made: 4,
  choice: { source: "median" },
  pair_id: "pair",
  parts: ["card", "boxes-csv"],
  outdated_references: [],
  manifest_sha256: "ab".repeat(32),
  created_by: "Ada",
  created_at: "2026-11-29T20:00:00Z",
};

let asked: Schema<"ChoiceForm">[] = [];
let created: unknown[] = [];
let datasets: unknown[] = [];

function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
}

/** Two scans for training, of which one becomes a test scan when a share is asked for. */
function previewOf(choice: Schema<"ChoiceForm">): Schema<"ExportPreview"> {
  const isTested = (choice.test_share ?? 0) > 0;
  return {
    cases: isTested ? ["a"] : ["a", "b"],
    test_cases: isTested ? ["b"] : [],
    labels: ["liver"],
    left_out: [{ volume_name: "c", reason: "liver has 0 of 1 answers" }],
    dropped_labels: [],
    partial_cases: [],
    masks_to_make: choice.source === "median" ? 4 : 0,
    problem: (choice.folds ?? 0) > 2 ? "3 folds need at least 3 patients." : null,
    files: ["dataset.json", "imagesTr/a_0000.nii.gz"],
  };
}

beforeEach(() => {
  asked = [];
  created = [];
  datasets = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/exports/preview")) {
      const { choice } = await request.json();
      asked.push(choice);
      return answer(previewOf(choice));
    }
    if (pathname.endsWith("/exports") && request.method === "POST") {
      created.push(await request.json());
      return answer({ version: 1 }, 201);
    }
    if (pathname.endsWith("/twin")) {
      created.push([pathname, await request.json()]);
      return answer({ version: 3 }, 201);
    }
    if (pathname.endsWith("/exports")) return answer(datasets);
    if (pathname.endsWith("/volumes")) return answer({ items: [], next_cursor: null });
    return answer(PROJECT);
  });
});

function open(): void {
  openPage(
    { "/admin/projects/$projectId/datasets": ExportsPage },
    "/admin/projects/p1/datasets",
    createQueryClient(),
    (page) => (
      <MantineProvider env="test">
        <ToastProvider>{page}</ToastProvider>
      </MantineProvider>
    ),
  );
}

it("says what a choice gives while it is made, and freezes that choice", async () => {
  const user = userEvent.setup();
  open();
  expect(await screen.findByText("2 scans for training")).toBeTruthy();
  expect(screen.getByText(/1 scan: liver has 0 of 1 answers/)).toBeTruthy();
  await user.click(screen.getByLabelText("The median of all answers"));
  expect(await screen.findByText("4 masks are not there yet and will be made first.")).toBeTruthy();
  await user.click(screen.getByLabelText("A share, drawn by the seed"));
  expect(await screen.findByText("1 scan for training")).toBeTruthy();

  const folds = screen.getByLabelText("Folds of the training scans");
  await user.clear(folds);
  await user.type(folds, "3");
  expect(await screen.findByText("3 folds need at least 3 patients.")).toBeTruthy();
  const freeze = screen.getByRole("button", { name: "Freeze and write the dataset" });
  expect(freeze.getAttribute("aria-disabled")).toBe("true");
  await user.clear(folds);
  expect(screen.getByText("Give 0 for none, or a whole number from 2 to 100.")).toBeTruthy();
  await user.type(folds, "0");
  await waitFor(() => expect(freeze.getAttribute("aria-disabled")).toBeNull());
  await user.click(freeze);
  await waitFor(() => expect(created).toHaveLength(1));
  expect(created[0]).toMatchObject({
    name: null,
    dataset_id: 501,
    choice: { source: "median", test_share: 0.2, folds: 0, completion: null },
  });
  expect(asked.length).toBeLessThan(8);
});

it("lists the versions with what can be downloaded, how far masks are, and which belong together", async () => {
  const user = userEvent.setup();
  const parts = { choice: { source: "reference" }, parts: ["card"], manifest_sha256: null };
  datasets = [
    { ...DATASET, ...parts, id: "e2", version: 2, state: "making", progress: 0.25, masks_made: 1 },
    DATASET,
  ];
  open();
  const name = "Dataset501_Abdomen, version 1";
  const zip = await screen.findByRole("link", { name: `Download zip: ${name}` });
  expect(zip.getAttribute("href")).toBe("/api/v1/exports/e1/download");
  const boxes = screen.getByRole("link", { name: `Boxes, CSV: ${name}` });
  expect(boxes.getAttribute("href")).toBe("/api/v1/exports/e1/parts/boxes-csv");
  expect(screen.queryByRole("link", { name: /version 2/ })).toBeNull();
  expect(screen.getByRole("progressbar").getAttribute("aria-valuetext")).toBe("1 of 4 masks are made");
  expect(screen.getByText("version 2")).toBeTruthy();
  expect(screen.getAllByText("1 liver, 2 spleen")).toHaveLength(2);
  expect(screen.queryByRole("form", { name: "New dataset" })).toBeNull();

  await user.click(screen.getByRole("button", { name: `Make one to compare with: ${name}` }));
  await user.click(screen.getByRole("button", { name: "Make it" }));
  await waitFor(() => expect(created).toEqual([["/api/v1/exports/e1/twin", { twin: "reference" }]]));
  await user.click(screen.getByRole("button", { name: "New dataset" }));
  expect(await screen.findByRole("form", { name: "New dataset" })).toBeTruthy();
});
