import { MantineProvider } from "@mantine/core";
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { sendFile } from "@/api/upload";
import { openPage } from "@/shared/test-page";
import { VolumesPage } from "./volumes-page";

vi.mock("@/api/upload", () => ({ sendFile: vi.fn() }));

let project = 0;
let volumes: Schema<"VolumeAnswer">[] = [];
let uses: Schema<"ReferenceUses"> = { scores: 0, datasets: [], trainings: [] };
let deleted: string[] = [];

function volume(name: string, origin: "expert" | null = null): Schema<"VolumeAnswer"> {
  const reference =
    origin === null
      ? null
      : { id: `reference ${name}`, origin, notices: [], created_at: "2026-01-01T00:00:00Z" };
  return {
    id: name,
    project_id: `p${project}`,
    name,
    state: "ready",
    shape: [4, 10, 12],
    spacing: [1, 1, 2],
    pack: null,
    window: null,
    modality: "ct",
    notices: [],
    refusal: null,
    reference,
    stated: { patient: "", modality: "", licence: "" },
    tasks: 0,
    created_at: "2026-01-01T00:00:00Z",
  };
}

function answer(body: unknown, status = 200): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json" },
  });
}

beforeEach(() => {
  project += 1; // the queue outlives a page, by project
  volumes = [];
  deleted = [];
  window.scrollTo = () => undefined;
  vi.mocked(sendFile)
    .mockReset()
    .mockImplementation(() =>
      Promise.resolve({ status: 201, body: { id: "new", origin: "expert", notices: [], created_at: "" } }),
    );
  vi.stubGlobal("fetch", (input: Request) => {
    const path = new URL(input.url, "http://test").pathname;
    if (input.method === "DELETE") {
      deleted.push(path);
      return Promise.resolve(answer(null, 204));
    }
    if (path.endsWith("/reference/uses")) return Promise.resolve(answer(uses));
    return Promise.resolve(answer({ items: volumes, next_cursor: null }));
  });
});

async function open(): Promise<void> {
  openPage(
    { "/admin/projects/$projectId/scans": VolumesPage },
    `/admin/projects/p${project}/scans`,
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
  await screen.findByRole("group", { name: "Scans of the project" });
}

function nifti(name: string): File {
  return new File(["x"], name);
}

function sent(): unknown[][] {
  return vi
    .mocked(sendFile)
    .mock.calls.map(([url, file, options]) => [(file as File).name, url, options?.method]);
}

it("says what depends on a reference before it is deleted", async () => {
  volumes = [volume("CT 1", "expert")];
  uses = {
    scores: 3,
    datasets: [{ id: "e", version: 2, dataset_name: "Dataset501_Abdomen" }],
    trainings: ["Network"],
  };
  await open();
  await userEvent.click(screen.getByRole("button", { name: "Delete the reference of CT 1" }));
  const dialog = screen.getByRole("dialog", { name: "Delete the reference of CT 1?" });
  expect(await within(dialog).findByText(/3 scores of masks/)).toBeTruthy();
  // One of each: words that speak of one and of several.
  expect(
    within(dialog).getByText(/^Datasets that hold its labels .* Dataset501_Abdomen, version 2\.$/),
  ).toBeTruthy();
  expect(within(dialog).getByText(/^Scores of trainings stay, .* Network\.$/)).toBeTruthy();
  expect(deleted).toEqual([]);
  await userEvent.click(within(dialog).getByRole("button", { name: "Delete the reference" }));
  await waitFor(() => expect(deleted).toEqual(["/api/v1/volumes/CT%201/reference"]));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

it("puts another file in the place of a reference", async () => {
  volumes = [volume("CT 1", "expert")];
  uses = { scores: 0, datasets: [], trainings: [] };
  await open();
  await userEvent.click(screen.getByRole("button", { name: "Replace the reference of CT 1" }));
  const dialog = screen.getByRole("dialog", { name: "Replace the reference of CT 1?" });
  expect(await within(dialog).findByText("No score and no dataset depends on it.")).toBeTruthy();
  const input = dialog.querySelector<HTMLInputElement>('input[type="file"]');
  if (input === null) throw new Error("There is no place for a file.");
  await userEvent.upload(input, nifti("better.nii.gz"));
  await userEvent.selectOptions(within(dialog).getByLabelText("Who made it"), "expert");
  await userEvent.click(within(dialog).getByRole("button", { name: "Replace" }));
  await waitFor(() =>
    expect(sent()).toEqual([["better.nii.gz", "/api/v1/volumes/CT 1/reference?origin=expert", "PUT"]]),
  );
});

it("shows which file belongs to which scan, asks where it does not know, and sends one after the other", async () => {
  volumes = [volume("a_0000"), volume("b_0000"), volume("b_0001"), volume("c", "expert"), volume("d")];
  await open();
  await userEvent.upload(screen.getByLabelText("Reference files"), [
    nifti("a.nii.gz"),
    nifti("b.nii.gz"),
    nifti("c.nii.gz"),
    nifti("unlike.nii.gz"),
  ]);
  const table = await screen.findByRole("group", { name: "References to be uploaded" });
  const row = (name: string) => within(table).getByRole("row", { name: new RegExp(`^${name}`) });
  expect(row("a.nii.gz").textContent).toContain("a_0000");
  // A phone shows the first two columns.
  expect(within(row("a.nii.gz")).getAllByRole("cell")[0]?.textContent).toContain("Chosen");
  expect(row("b.nii.gz").textContent).toContain("Several scans fit: choose one");
  expect(row("c.nii.gz").textContent).toContain("This scan has a reference");
  expect(row("unlike.nii.gz").textContent).toContain("No scan is called so: choose one");
  expect(vi.mocked(sendFile)).not.toHaveBeenCalled();
  expect(screen.getByText("3 files wait for an answer in the table.")).toBeTruthy();

  await userEvent.selectOptions(screen.getByLabelText("Scan of b.nii.gz"), "a_0000");
  expect(row("a.nii.gz").textContent).toContain("Another file is for this scan too");
  await userEvent.selectOptions(screen.getByLabelText("Scan of b.nii.gz"), "b_0001");
  await userEvent.click(within(row("c.nii.gz")).getByRole("checkbox", { name: /Replace its reference/ }));
  await userEvent.click(screen.getByRole("button", { name: "Take off this list: unlike.nii.gz" }));
  await userEvent.selectOptions(screen.getByLabelText("Who made them"), "expert");
  await userEvent.click(screen.getByRole("button", { name: "Upload 3 references" }));
  await waitFor(() =>
    expect(sent()).toEqual([
      ["a.nii.gz", "/api/v1/volumes/a_0000/reference?origin=expert", "POST"],
      ["b.nii.gz", "/api/v1/volumes/b_0001/reference?origin=expert", "POST"],
      ["c.nii.gz", "/api/v1/volumes/c/reference?origin=expert", "PUT"],
    ]),
  );
  await waitFor(() => expect(within(table).getAllByText("Uploaded")).toHaveLength(3));
});
