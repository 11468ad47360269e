import { onlineManager } from "@tanstack/react-query";
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient, type Schema } from "@/api/queries";
import { Queue } from "@/offline/queue";
import { openStore } from "@/offline/store";
import { openPage } from "@/shared/test-page";
import { ToastProvider } from "@/shared/ui/toast";
import { grouped, withinSentence } from "./groups";
import { TasksPage } from "./tasks-page";
import { countUnsent } from "./unsent";

const MEMBERSHIP: Schema<"MembershipAnswer"> = {
  project_id: "p1",
  project_name: "Abdomen",
  role: "annotator",
  consent_needed: false,
  archived: false,
};
const PROGRESS = {
  project_id: "p1",
  submitted: 3,
  accepted: 1,
  slices_decided: 120,
  boxes_drawn: 64,
  available: 2,
};

function task(id: string, label: string, changes: Partial<Schema<"AssignmentAnswer">> = {}) {
  const given: Schema<"AssignmentAnswer"> = {
    id,
    task_id: `t-${id}`,
    project_id: "p1",
    project_name: "Abdomen",
    label_heading: "Organ",
    volume_id: `v-${id}`,
    volume_name: `Scan ${id}`,
    n_slices: 112,
    label: { index: 1, name: label, guide: "", pictures: [] },
    state: "reserved",
    lease_until: new Date(Date.now() + 3_600_000).toISOString(),
    assigned: false,
    late: false,
    megabytes: 7.8,
    minutes: 3,
    work: null,
    ...changes,
  };
  return given;
}

function work(state: Schema<"WorkAnswer">["state"], share: number): Schema<"WorkAnswer"> {
  return {
    annotation_id: `n-${state}`,
    revision: 4,
    state,
    share,
    gaps: 2,
    submitted_at: null,
    return_comment: state === "returned" ? "The lower end is missing." : "",
    return_slice: state === "returned" ? 12 : null,
  };
}

let memberships: Schema<"MembershipAnswer">[] = [];
let tasks: Schema<"AssignmentAnswer">[] = [];
let next: Schema<"AssignmentAnswer"> | null = null;
let sent: [method: string, path: string, body: unknown][] = [];

beforeEach(() => {
  memberships = [MEMBERSHIP];
  tasks = [];
  next = null;
  sent = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    const answer = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
    if (request.method !== "GET") {
      sent.push([request.method, pathname, JSON.parse((await request.text()) || "null")]);
      if (pathname.endsWith("/consent")) memberships = [{ ...MEMBERSHIP, consent_needed: false }];
      if (pathname.endsWith("/give-back")) tasks = [];
      return pathname.endsWith("/next-task") && next !== null
        ? answer(next)
        : new Response(null, { status: 204 });
    }
    if (pathname.endsWith("/me/assignments")) return answer(tasks);
    if (pathname.endsWith("/me/progress")) return answer([PROGRESS]);
    if (pathname.endsWith("/projects/p1")) {
      return answer({ id: "p1", consent: { version: 2, text: "First.\n\nSecond.", accepted: false } });
    }
    return answer({
      id: "a",
      name: "Ana",
      username: null,
      has_password: false,
      is_operator: false,
      memberships,
    });
  });
});

function open(): void {
  openPage(
    { "/tasks": TasksPage, "/work/$assignmentId": () => <h1>Work</h1> },
    "/tasks",
    createQueryClient(),
    (page) => <ToastProvider>{page}</ToastProvider>,
  );
}

it("shows what was sent back first, then what is reserved, and what is finished apart", async () => {
  tasks = [
    task("1", "Spleen", { assigned: true }),
    task("2", "Liver", { work: work("returned", 40 / 112) }),
    task("3", "Aorta", { state: "submitted", work: work("accepted", 1) }),
    task("4", "Colon", { state: "expired", late: true, work: work("open", 0.5) }),
  ];
  open();
  const cards = within(await screen.findByRole("list", { name: "To do" })).getAllByRole("listitem");
  expect(cards.map((card) => within(card).getByRole("heading").textContent)).toEqual([
    "Box the liver",
    "Box the spleen",
    "Box the colon",
  ]);
  const [returned, reserved, late] = cards as [HTMLElement, HTMLElement, HTMLElement];
  expect(within(returned).getByText("Sent back to you")).toBeTruthy();
  expect(within(returned).getByText("The lower end is missing.")).toBeTruthy();
  expect(within(returned).getByText("40 of 112 slices decided")).toBeTruthy();
  expect(within(returned).getByRole("progressbar").getAttribute("aria-valuetext")).toBe(
    "40 of 112 slices decided",
  );
  expect(within(returned).getByRole("link", { name: "Continue: Box the liver, Scan 2" })).toBeTruthy();
  expect(reserved.textContent).toContain("About 8 MB, about 3 minutes");
  expect(reserved.textContent).toContain("Reserved for you until");
  expect(reserved.textContent).toContain("Chosen for you");
  expect(
    within(reserved).getByRole("link", { name: "Start: Box the spleen, Scan 1" }).getAttribute("href"),
  ).toBe("/work/1");
  expect(late.textContent).toContain("Your work is kept");
  const finished = screen.getByText("Finished (1)").closest("details");
  expect(finished?.open).toBe(false);
  await userEvent.click(screen.getByText("Finished (1)"));
  expect(screen.getByRole("link", { name: "Look at it: Box the aorta, Scan 3" }).getAttribute("href")).toBe(
    "/work/3",
  );
  expect(
    await screen.findByText("You have finished 3 tasks, decided 120 slices and drawn 64 boxes."),
  ).toBeTruthy();
});

it("opens the next task, and says kindly when there is none", async () => {
  open();
  const button = await screen.findByRole("button", { name: "Next task" });
  await userEvent.click(button);
  expect(await screen.findByText("There is nothing to do right now. Come back later.")).toBeTruthy();
  next = task("9", "Liver");
  await userEvent.click(button);
  expect(await screen.findByRole("heading", { name: "Work" })).toBeTruthy();
});

it("shows the project's text in place of its tasks until it is accepted", async () => {
  memberships = [{ ...MEMBERSHIP, consent_needed: true }];
  tasks = [task("1", "Liver")];
  open();
  expect((await screen.findByText(/First\./)).textContent).toBe("First.\n\nSecond.");
  expect(screen.queryByRole("button", { name: "Next task" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Not now" }));
  expect(screen.queryByRole("button", { name: "Next task" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Read it" }));
  await userEvent.click(screen.getByRole("button", { name: "I have read this and agree" }));
  expect(await screen.findByRole("button", { name: "Next task" })).toBeTruthy();
  expect(sent).toEqual([["PUT", "/api/v1/projects/p1/consent", { version: 2 }]]);
});

it("gives a task back only after asking", async () => {
  tasks = [task("1", "Liver")];
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Give back: Box the liver, Scan 1" }));
  expect(sent).toEqual([]);
  const dialog = screen.getByRole("dialog", { name: "Give this task back?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Give back" }));
  await waitFor(() => expect(sent[0]?.[1]).toBe("/api/v1/assignments/1/give-back"));
  await waitFor(() => expect(screen.queryByRole("list", { name: "To do" })).toBeNull());
});

it("says how many changes only this device has, of this account alone", async () => {
  const store = await openStore();
  const operations = [{ op: "one" }, { op: "two" }, { op: "three" }] as never;
  for (const account of ["a", "b", "aa"]) {
    const owner = { account, annotation: "n-open" };
    await new Queue(store, owner).add({ operations, volumeSha256: "0", now: 0 });
  }
  store.close();
  expect(await countUnsent("a")).toEqual({ "n-open": 3 });
  tasks = [task("1", "Liver", { work: { ...work("open", 0), revision: 0 } })];
  open();
  expect(await screen.findByText("3 changes not sent yet")).toBeTruthy();
  expect(screen.getByRole("link", { name: /^Continue/ })).toBeTruthy();
});

it("says what to do when there is no project, and hides archived ones", async () => {
  memberships = [{ ...MEMBERSHIP, archived: true }];
  open();
  expect(await screen.findByText("Ask the person who invited you for a link.")).toBeTruthy();
  expect(screen.queryByText("Abdomen")).toBeNull();
});

it("hides what was given back before anything was saved", () => {
  const former = task("1", "Liver", { state: "taken_back", late: true });
  const kept = task("2", "Liver", { state: "taken_back", late: true, work: work("open", 0.2) });
  expect(grouped([former, kept])).toEqual({ open: [], finished: [], former: [kept] });
});

it("writes an organ's name as it stands within a sentence", () => {
  expect(withinSentence("Left kidney")).toBe("left kidney");
  expect(withinSentence("IVC")).toBe("IVC");
});

it("says that there is no network, and goes on by itself when there is one", async () => {
  tasks = [task("1", "Liver")];
  onlineManager.setOnline(false);
  try {
    open();
    expect(await screen.findByRole("heading", { name: "You are offline" })).toBeTruthy();
    onlineManager.setOnline(true);
    expect(await screen.findByRole("heading", { name: "Box the liver" })).toBeTruthy();
  } finally {
    onlineManager.setOnline(true);
  }
});
