import { QueryClient } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import type { Schema } from "@/api/queries";
import { homeOf, ownPath } from "./where-to";

const HERE = "https://crowdmask.example";

it.each([
  ["/work/1?z=3#top", "/work/1?z=3#top"],
  ["/tasks", "/tasks"],
  ["//evil.example", null],
  ["/\\evil.example", null],
  ["/\t/evil.example", null],
  ["/.//evil.example", null],
  ["/a/..//evil.example", null],
  ["https://evil.example/tasks", null],
  ["javascript:alert(1)", null],
  ["tasks", null],
  ["", null],
  ["/sign-in?next=/sign-in", null],
  ["/join", null],
  [undefined, null],
])("goes on to %s only when it is a path of this site", (next, path) => {
  expect(ownPath(next, HERE)).toBe(path);
});

function person(is_operator: boolean, ...roles: Schema<"MembershipAnswer">["role"][]): Schema<"MeAnswer"> {
  const memberships = roles.map((role) => ({
    project_id: role,
    project_name: role,
    role,
    consent_needed: false,
    archived: false,
  }));
  return { id: "a", name: "Ana", username: null, has_password: false, is_operator, memberships };
}

it("lets annotators begin at their tasks, and admins who have none at the projects", async () => {
  const answer = vi.fn((tasks: unknown[]) => new Response(JSON.stringify(tasks)));
  vi.stubGlobal("fetch", async () => answer([]));
  expect(await homeOf(person(false, "annotator"), new QueryClient())).toBe("/tasks");
  expect(await homeOf(person(true, "annotator", "admin"), new QueryClient())).toBe("/tasks");
  expect(await homeOf(person(false), new QueryClient())).toBe("/tasks");
  expect(answer).not.toHaveBeenCalled();
  expect(await homeOf(person(true), new QueryClient())).toBe("/admin");
  expect(await homeOf(person(false, "admin"), new QueryClient())).toBe("/admin");
  vi.stubGlobal("fetch", async () => answer([{ state: "reserved" }]));
  expect(await homeOf(person(false, "admin"), new QueryClient())).toBe("/tasks");
});
