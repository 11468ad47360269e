import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { ToastProvider } from "@/shared/ui/toast";
import { AccountPage } from "./account-page";

const TIME = "2026-01-02T03:04:05Z";
const TOKEN = { id: "k1", name: "Laptop", scope: "read", created_at: TIME, expires_at: TIME, seen_at: null };
let me = {};
let tokens: unknown[] = [];
let sent: [method: string, path: string, body: unknown][] = [];

beforeEach(() => {
  me = {
    id: "a",
    name: "Ana",
    username: "ana",
    has_password: true,
    is_operator: false,
    memberships: [
      {
        project_id: "p1",
        project_name: "Abdomen",
        role: "annotator",
        consent_needed: false,
        archived: false,
      },
    ],
  };
  tokens = [TOKEN];
  sent = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    const answer = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
    if (request.method !== "GET") {
      sent.push([request.method, pathname, JSON.parse((await request.text()) || "null")]);
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      return pathname.endsWith("/tokens")
        ? answer({ ...TOKEN, id: "k2", name: "Script", token: "cm_secret" }, 201)
        : answer(me);
    }
    if (pathname.endsWith("/me/tokens")) return answer(tokens);
    if (pathname.endsWith("/me/sessions")) {
      const session = { id: "s1", created_at: TIME, seen_at: TIME, expires_at: TIME, is_this: true };
      return answer([session, { ...session, id: "s2", is_this: false }]);
    }
    if (pathname.endsWith("/projects/p1")) {
      return answer({
        id: "p1",
        name: "Abdomen",
        consent: { version: 1, text: "We publish boxes.", accepted: true },
      });
    }
    return answer(me);
  });
  openPage(
    { "/account": AccountPage, "/sign-in": () => <h1>Sign in</h1> },
    "/account",
    createQueryClient(),
    (page) => <ToastProvider>{page}</ToastProvider>,
  );
});

it("changes the password with the current one, and empties the fields", async () => {
  const form = within(await screen.findByRole("form", { name: "Password" }));
  await userEvent.type(form.getByLabelText("Current password"), "the old one");
  await userEvent.type(form.getByLabelText("New password"), "the quite new one");
  await userEvent.click(form.getByRole("button", { name: "Change the password" }));
  expect(await screen.findByText("The password is saved. Other browsers are signed out.")).toBeTruthy();
  expect(sent).toEqual([
    [
      "PUT",
      "/api/v1/me/password",
      { username: "ana", password: "the quite new one", current_password: "the old one" },
    ],
  ]);
  expect(form.getByLabelText<HTMLInputElement>("New password").value).toBe("");
});

it("signs out everywhere after asking", async () => {
  expect(await screen.findAllByText("This browser")).toHaveLength(1);
  await userEvent.click(screen.getByRole("button", { name: "Sign out everywhere" }));
  const dialog = screen.getByRole("dialog", { name: "Sign out everywhere?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Sign out everywhere" }));
  expect(await screen.findByRole("heading", { name: "Sign in" })).toBeTruthy();
  expect(sent).toEqual([["DELETE", "/api/v1/me/sessions", null]]);
});

it("shows a new token once and revokes one after asking", async () => {
  const form = within(await screen.findByRole("form", { name: "New token" }));
  await userEvent.type(form.getByLabelText("What it is for"), "Script");
  await userEvent.selectOptions(form.getByLabelText("What it may do"), "may change");
  await userEvent.click(form.getByRole("button", { name: "Make the token" }));
  expect((await screen.findByLabelText<HTMLInputElement>("The token Script")).value).toBe("cm_secret");
  expect(sent[0]?.[2]).toEqual({ name: "Script", scope: "write", days: 90 });
  await userEvent.click(screen.getByRole("button", { name: "Revoke Laptop" }));
  const dialog = screen.getByRole("dialog", { name: "Revoke the token Laptop?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Revoke" }));
  await waitFor(() => expect(sent[1]).toEqual(["DELETE", "/api/v1/me/tokens/k1", null]));
});

it("takes an agreement back after asking", async () => {
  await userEvent.click(await screen.findByRole("button", { name: "Withdraw consent in Abdomen" }));
  expect(sent).toEqual([]);
  const dialog = screen.getByRole("dialog", { name: "Withdraw your consent in Abdomen?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Withdraw consent" }));
  await waitFor(() => expect(sent).toEqual([["DELETE", "/api/v1/projects/p1/consent", null]]));
});
