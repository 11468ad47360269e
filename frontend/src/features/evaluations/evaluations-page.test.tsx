import { MantineProvider } from "@mantine/core";
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, projectKey, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { EvaluationsPage } from "./evaluations-page";

const ROW: Schema<"EvaluationRow"> = {
  segmentation_id: "m1",
  annotator: "Ada",
  volume_id: "v1",
  volume_name: "CT 1",
  label_index: 1,
  label_name: "Liver",
  model: "litemedsam",
  reference_origin: "expert",
  evaluated_at: null,
  volume_dice: null,
  slice_dice: null,
  slice_dice_all: null,
  hd95_mm: null,
  nsd_2mm: null,
  coverage: null,
  volume_error: null,
  predicted_ml: null,
  reference_ml: null,
  slices_predicted: null,
  slices_reference: null,
};

let evaluations: Schema<"EvaluationAnswer">;

function answer(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

beforeEach(() => {
  evaluations = {
    rows: [ROW],
    means: [],
    origins: ["expert"],
    pending: 1,
    without_reference: 0,
    without_slices: 0,
  };
  vi.stubGlobal("fetch", async (request: Request) =>
    answer(request.method === "POST" ? { jobs: evaluations.pending } : evaluations),
  );
});

function open() {
  const queryClient = createQueryClient();
  openPage(
    { "/admin/projects/$projectId/evaluations": EvaluationsPage },
    "/admin/projects/p1/evaluations",
    queryClient,
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
  return queryClient;
}

it("says that evaluations are under way until they are done", async () => {
  const queryClient = open();
  expect(await screen.findByText("1 mask is not evaluated yet.")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Evaluate new masks" }));
  expect(await screen.findByText("1 evaluation is under way; this page fills by itself.")).toBeTruthy();
  evaluations = { ...evaluations, pending: 0, without_reference: 2 };
  await queryClient.invalidateQueries({ queryKey: projectKey("p1", "evaluations") });
  expect(
    await screen.findByText(
      "All masks that have a reference are evaluated. 2 masks have no reference to compare with.",
    ),
  ).toBeTruthy();
  await waitFor(() => expect(screen.queryByText(/under way/)).toBeNull());
});
