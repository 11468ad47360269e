import { MantineProvider } from "@mantine/core";
import { act, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { MasksPage } from "./masks-page";

const MADE = {
  job_id: "j",
  has_uncertainty: false,
  model: "litemedsam",
  mask_sha256: "0",
  seconds: 1,
  predicted_iou: { 3: 0.75 },
  doubtful: [],
  drawn: 1,
  filled: 0,
  suggested: [],
  created_at: "2026-01-01T00:00:00Z",
};

function mask(name: string, annotator: string): Schema<"ProjectMaskAnswer"> {
  return {
    volume_id: name,
    volume_name: name,
    label_index: 1,
    label_name: "liver",
    annotator,
    annotation_state: "submitted",
    segmentation: { ...MADE, id: `${name} ${annotator}`, annotation_id: "a", revision: 1 },
  };
}

function derived(name: string): Schema<"DerivedMaskAnswer"> {
  return {
    ...MADE,
    id: name,
    volume_id: name,
    volume_name: name,
    label_index: 1,
    label_name: "liver",
    rule: "median",
    completion: "none",
    annotators: ["Ada"],
  };
}

let masks: Schema<"ProjectMaskAnswer">[] = [];
let asked: Schema<"DerivedMaskAnswer">[] = [];
/** The searches and cursors of the two lists. */
let requests: string[] = [];

/** As the server: two on a page. */
function pageOf<T extends { volume_name: string }>(all: readonly T[], query: URLSearchParams): Response {
  const found = all.filter((one) => JSON.stringify(one).includes(query.get("search") ?? ""));
  const from = Number(query.get("cursor") ?? 0);
  const next = from + 2 < found.length ? String(from + 2) : null;
  return new Response(JSON.stringify({ items: found.slice(from, from + 2), next_cursor: next }), {
    headers: { "Content-Type": "application/json" },
  });
}

beforeEach(() => {
  masks = ["CT 1", "CT 2", "CT 3"].map((name) => mask(name, name === "CT 3" ? "Ben" : "Ada"));
  asked = ["CT 4", "CT 5", "CT 6"].map(derived);
  requests = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    const list = pathname.endsWith("/masks") ? "masks" : "derived";
    requests.push(`${list} ${searchParams.get("search") ?? ""} ${searchParams.get("cursor") ?? ""}`.trim());
    return list === "masks" ? pageOf(masks, searchParams) : pageOf(asked, searchParams);
  });
});

function open() {
  return openPage(
    { "/admin/projects/$projectId/masks": MasksPage },
    "/admin/projects/p1/masks",
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
}

const rows = () => screen.queryAllByRole("rowheader").map((cell) => cell.textContent);

it("shows each list a page at a time, and the next one when it is asked for", async () => {
  const user = userEvent.setup();
  open();
  await waitFor(() => expect(rows()).toEqual(["CT 1", "CT 2", "CT 4", "CT 5"]));
  await user.click(screen.getByRole("button", { name: "Load more masks of submitted work" }));
  await waitFor(() => expect(rows()).toEqual(["CT 1", "CT 2", "CT 3", "CT 4", "CT 5"]));
  expect(screen.queryByRole("button", { name: "Load more masks of submitted work" })).toBeNull();
  await user.click(screen.getByRole("button", { name: "Load more masks that datasets asked for" }));
  await waitFor(() => expect(rows()).toEqual(["CT 1", "CT 2", "CT 3", "CT 4", "CT 5", "CT 6"]));
  expect(requests).toEqual(["masks", "derived", "masks  2", "derived  2"]);
});

it("searches all masks, also those that are not loaded", async () => {
  const user = userEvent.setup();
  open();
  await waitFor(() => expect(rows()).toHaveLength(4));
  const field = screen.getByLabelText("Search by scan, organ or person");
  await user.type(field, " Ben ");
  await waitFor(() => expect(rows()).toEqual(["CT 3"]));
  expect(requests.slice(2)).toEqual(["masks Ben", "derived Ben"]);

  await user.clear(field);
  await user.type(field, "nobody");
  expect(await screen.findByText("No mask is like that")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Show all masks" }));
  await waitFor(() => expect(rows()).toHaveLength(4));
  expect(screen.queryByText("No mask is like that")).toBeNull();
});

it("shows none of another project's masks while its own are on their way", async () => {
  const router = open();
  await waitFor(() => expect(rows()).toHaveLength(4));
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  await act(() => router.navigate({ to: "/admin/projects/p2/masks" as never }));
  await waitFor(() => expect(rows()).toEqual([]));
});

it("says how masks are made where there are none", async () => {
  masks = [];
  asked = [];
  open();
  expect(await screen.findByText("No masks yet")).toBeTruthy();
  expect(screen.queryByLabelText("Search by scan, organ or person")).toBeNull();
});
