import { MantineProvider } from "@mantine/core";
import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { ReviewPage } from "./review-page";
import type { Source } from "./sources";

// The pictures need a real browser: tests/browser/test_review.py.
vi.mock("./desk", () => ({
  Desk: ({ name, sources }: { name: string; sources: readonly Source[] }) => (
    <p data-testid="desk">{[name, ...sources.map(({ id }) => id)].join(" | ")}</p>
  ),
}));

const SCANS = ["v1", "v2", "v3"];
const SUBJECTS: Schema<"MaskSubject">[] = ["v1", "v2"].flatMap((volume) =>
  [1, 2].map((label) => ({
    volume_id: volume,
    volume_name: `CT ${volume}`,
    label_index: label,
    label_name: `organ ${label}`,
  })),
);
const PREDICTIONS: Schema<"PredictionAnswer">[] = SCANS.map((volume, i) => ({
  id: `p-${volume}`,
  training_id: "t",
  training_name: "2d",
  volume_id: volume,
  volume_name: `CT ${volume}`,
  label_index: 1,
  label_name: "organ 1",
  volume_dice: i / 4,
  outdated_reference: false,
  mask_sha256: "0",
}));
const MASKS = SUBJECTS.map((one) => ({
  ...one,
  annotator: "Ada",
  annotation_state: "submitted",
  segmentation: { id: `m-${one.volume_id}-${one.label_index}`, mask_sha256: "0" },
}));

let requests: string[] = [];

/** As the server: two subjects, and one prediction of all scans, on a page. */
function answer(pathname: string, query: URLSearchParams): unknown {
  const list = pathname.split("/").pop() ?? "";
  const volume = query.get("volume_id");
  const from = Number(query.get("cursor") ?? 0);
  const paged = <T,>(all: readonly T[], size: number) => ({
    items: all.slice(from, from + size),
    next_cursor: from + size < all.length ? String(from + size) : null,
  });
  if (list === "mask-subjects") return paged(SUBJECTS, 2);
  if (list === "predictions") {
    return volume === null
      ? paged(PREDICTIONS, 1)
      : paged(
          PREDICTIONS.filter((one) => one.volume_id === volume),
          9,
        );
  }
  if (list === "masks") {
    const label = Number(query.get("label_index"));
    return paged(
      MASKS.filter((one) => one.volume_id === volume && one.label_index === label),
      9,
    );
  }
  if (list === "derived-masks") return paged([], 9);
  return { id: list, reference: null };
}

beforeEach(() => {
  requests = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    requests.push(`${pathname}?${searchParams}`);
    if (searchParams.get("volume_id") === "nonsense") {
      const problem = { title: "", detail: "no id", code: "request_invalid", status: 422, hint: "" };
      return new Response(JSON.stringify(problem), { status: 422 });
    }
    return new Response(JSON.stringify(answer(pathname, searchParams)), {
      headers: { "Content-Type": "application/json" },
    });
  });
});

function open(search: string): void {
  openPage(
    { "/admin/projects/$projectId/review": ReviewPage },
    `/admin/projects/p1/review${search}`,
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
}

async function desk(): Promise<string> {
  return (await screen.findByTestId("desk")).textContent ?? "";
}

it("asks for the masks of the organ that is looked at, and of no other", async () => {
  open("?volume=v2&label=2");
  expect(await desk()).toBe("CT v2: organ 2 | m-v2-2");
  const lists = requests.filter((one) => /\/(derived-)?masks\?/.test(one));
  expect(lists).toHaveLength(2);
  for (const one of lists) {
    expect(one).toContain("volume_id=v2");
    expect(one).toContain("label_index=2");
  }
});

it("lets choose among all organs of all scans, and among predictions as far as they are loaded", async () => {
  const user = userEvent.setup();
  open("");
  expect(await desk()).toBe("CT v1: organ 1 | m-v1-1 | p-v1");
  const choices = () => screen.getAllByRole("option").map((one) => one.textContent);
  const ofBoxes = ["CT v1: organ 1", "CT v1: organ 2", "CT v2: organ 1", "CT v2: organ 2"];
  expect(choices()).toEqual([...ofBoxes, "CT v1: organ 1, Dice 0.000, 2d"]);
  await user.click(screen.getByRole("button", { name: "Load more predictions" }));
  await waitFor(() => expect(choices()).toHaveLength(6));
  await user.selectOptions(screen.getByLabelText("Scan and organ"), "CT v2: organ 1, Dice 0.250, 2d");
  await waitFor(async () => expect(await desk()).toBe("CT v2: organ 1, Dice 0.250, 2d | m-v2-1 | p-v2"));
});

it("opens at a prediction that the address names though it is on a later page", async () => {
  open("?volume=v3&label=1&mask=p-v3");
  expect(await desk()).toBe("CT v3: organ 1, Dice 0.500, 2d | p-v3");
  cleanup();
  open("?volume=nonsense&label=1");
  expect(await desk()).toBe("CT v1: organ 1 | m-v1-1 | p-v1");
  expect(screen.queryByRole("alert")).toBeNull();
});
