import { MantineProvider } from "@mantine/core";
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { NewProjectPage } from "./new-project-page";

const ME = { id: "a", name: "Ana", username: null, has_password: true, is_operator: true, memberships: [] };
const sent: unknown[] = [];

function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
}

function open(): void {
  openPage(
    { "/": NewProjectPage, "/admin/projects/$projectId/scans": () => <h1>Scans</h1> },
    "/",
    createQueryClient(),
    (page) => <MantineProvider env="test">{page}</MantineProvider>,
  );
}

beforeEach(() => {
  sent.length = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method === "POST") {
      sent.push(await request.json());
      return answer({ id: "p9" }, 201);
    }
    return answer(ME);
  });
});

it("makes a project of a pasted list and of what is still typed below it, and says first what is missing", async () => {
  const user = userEvent.setup({ delay: null });
  open();
  await user.click(await screen.findByRole("button", { name: "Create the project" }));
  const alert = screen.getByText("Please put this right first:").closest("div");
  expect(alert && within(alert).getByText("Add at least one organ.")).toBeTruthy();
  expect(sent).toEqual([]);

  await user.type(screen.getByLabelText("Name of the project"), "Abdomen");
  await user.click(screen.getByLabelText("Add organs"));
  await user.paste("Liver, Spleen\nAorta");
  await user.click(screen.getByRole("button", { name: "Add to the list" }));
  await user.click(screen.getByRole("button", { name: "Move Aorta up" }));
  await user.click(screen.getByRole("button", { name: "Remove Spleen" }));
  await user.type(screen.getByLabelText("Add organs"), "liver");
  await user.click(screen.getByRole("button", { name: "Create the project" }));
  expect(screen.getAllByText("Each organ may stand here once. Twice: liver")[0]).toBeTruthy();
  await user.clear(screen.getByLabelText("Add organs"));
  await user.type(screen.getByLabelText("Add organs"), "Pancreas");
  await user.click(screen.getByLabelText("CT, soft tissue: -160 to 240"));
  await user.click(screen.getByLabelText("Fill in between two pieces of an organ"));
  await user.type(screen.getByLabelText("How to cite the scans (optional)"), "Doe 2020");
  await user.click(screen.getByRole("button", { name: "Create the project" }));

  expect(await screen.findByRole("heading", { name: "Scans" })).toBeTruthy();
  expect(sent).toMatchObject([
    {
      name: "Abdomen",
      labels: [{ name: "Liver" }, { name: "Aorta" }, { name: "Pancreas" }],
      window: { low: -160, high: 240 },
      overlap: 1,
      completion: "fill",
      citation: "Doe 2020",
    },
  ]);
}, 60_000);
