import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { openPage } from "@/shared/test-page";
import { type Joined, JoinPage } from "./join-page";
import { SignInPage } from "./sign-in-page";

const MEMBERSHIP = {
  project_id: "p1",
  project_name: "Abdomen",
  role: "annotator",
  consent_needed: true,
  archived: false,
};
const ANA = {
  id: "a",
  name: "Ana",
  username: null,
  has_password: false,
  is_operator: false,
  memberships: [MEMBERSHIP],
};
const NOBODY = { status: 401, code: "not_signed_in", title: "Not signed in", detail: "Nobody is signed in." };

interface Sent {
  readonly path: string;
  readonly body: unknown;
}
let sent: Sent[] = [];
/** What the server answers, by method and path; a function is asked at each call. */
let answers: Record<string, () => [status: number, body: unknown]> = {};

beforeEach(() => {
  sent = [];
  answers = { "GET /api/v1/me": () => [401, NOBODY], "GET /api/v1/me/assignments": () => [200, []] };
  window.scrollTo = () => undefined;
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "GET") {
      sent.push({ path: pathname, body: JSON.parse((await request.text()) || "null") });
    }
    const [status, body] = answers[`${request.method} ${pathname}`]?.() ?? [404, {}];
    return new Response(status === 204 ? null : JSON.stringify(body), { status });
  });
});

const joined = vi.fn<(joined: Joined) => void>();

function open(path: "/sign-in" | "/join", hash = "", next?: string): void {
  window.history.replaceState(null, "", `${path}${hash}`);
  openPage(
    {
      "/sign-in": () => <SignInPage next={next} />,
      "/join": () => <JoinPage onJoined={joined} />,
      "/tasks": () => <h1>Your tasks</h1>,
      "/admin": () => <h1>Projects</h1>,
      "/work/$assignmentId": () => <h1>Work</h1>,
    },
    path,
    createQueryClient(),
  );
}

it("takes the token out of the address, and signs in with it only when asked", async () => {
  answers["POST /api/v1/session/link"] = () => [200, ANA];
  open("/sign-in", "#secret-token");
  const button = await screen.findByRole("button", { name: "Sign in" });
  expect(screen.getByText("This link signs you in on this device.")).toBeTruthy();
  expect(window.location.href).not.toContain("secret-token");
  expect(sent).toEqual([]);
  await userEvent.click(button);
  expect(await screen.findByRole("heading", { name: "Your tasks" })).toBeTruthy();
  expect(sent).toEqual([{ path: "/api/v1/session/link", body: { token: "secret-token" } }]);
});

it("takes a second link that is opened in the same tab", async () => {
  answers["POST /api/v1/session/link"] = () => [200, ANA];
  open("/sign-in");
  await screen.findByLabelText("User name");
  window.location.hash = "#another";
  await screen.findByText("This link signs you in on this device.");
  expect(window.location.hash).toBe("");
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  await waitFor(() => expect(sent[0]?.body).toEqual({ token: "another" }));
});

it("says in the server's words why a link does not work, and offers the password", async () => {
  answers["POST /api/v1/session/link"] = () => [
    403,
    {
      code: "link_invalid",
      detail: "This sign-in link was used already.",
      hint: "Ask an admin for a new one.",
    },
  ];
  open("/sign-in", "#old");
  await userEvent.click(await screen.findByRole("button", { name: "Sign in" }));
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("was used already");
  expect(alert.textContent).toContain("Ask an admin for a new one.");
  await userEvent.click(screen.getByRole("button", { name: "Sign in with a password" }));
  expect(await screen.findByLabelText("Password")).toBeTruthy();
});

it("signs in with a password and goes on to where the person wanted to be", async () => {
  answers["POST /api/v1/session/password"] = () => [200, ANA];
  open("/sign-in", "", "/work/7");
  await userEvent.type(await screen.findByLabelText("User name"), " ana ");
  await userEvent.type(screen.getByLabelText("Password"), "long and strange");
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  expect(await screen.findByRole("heading", { name: "Work" })).toBeTruthy();
  expect(sent[0]?.body).toEqual({ username: "ana", password: "long and strange" });
});

it("does not go on to another site", async () => {
  answers["GET /api/v1/me"] = () => [200, ANA];
  open("/sign-in", "", "//evil.example/tasks");
  expect(await screen.findByRole("heading", { name: "Your tasks" })).toBeTruthy();
});

const INVITE = {
  project_name: "Abdomen",
  role: "annotator",
  label_names: ["Liver", "Spleen"],
  expires_at: "2030-05-04T12:00:00Z",
};

it("shows what an invitation is for, and lets somebody new join with a name", async () => {
  answers["POST /api/v1/invites/preview"] = () => [200, INVITE];
  answers["POST /api/v1/invites/accept"] = () => {
    answers["GET /api/v1/me"] = () => [200, ANA];
    return [200, { project_id: "p1", role: "annotator" }];
  };
  open("/join", "#invite-token");
  expect(await screen.findByRole("heading", { name: "You are invited to Abdomen" })).toBeTruthy();
  expect(window.location.href).not.toContain("invite-token");
  expect(screen.getByText("Liver, Spleen")).toBeTruthy();
  await userEvent.type(screen.getByLabelText("Your name"), "Ana");
  await userEvent.click(screen.getByRole("button", { name: "Join" }));
  await waitFor(() =>
    expect(joined).toHaveBeenCalledExactlyOnceWith({
      projectId: "p1",
      projectName: "Abdomen",
      role: "annotator",
      consentNeeded: true,
    }),
  );
  expect(sent.at(-1)?.body).toEqual({ token: "invite-token", name: "Ana" });
});

it("lets somebody who is signed in join without a name, or say that they are somebody else", async () => {
  answers["GET /api/v1/me"] = () => [200, ANA];
  answers["DELETE /api/v1/session"] = () => {
    answers["GET /api/v1/me"] = () => [401, NOBODY];
    return [204, null];
  };
  answers["POST /api/v1/invites/preview"] = () => [200, INVITE];
  open("/join", "#invite-token");
  expect(await screen.findByText("Ana")).toBeTruthy();
  expect(screen.queryByLabelText("Your name")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "I am somebody else" }));
  expect(await screen.findByLabelText("Your name")).toBeTruthy();
});

it("says why an invitation does not work", async () => {
  answers["POST /api/v1/invites/preview"] = () => [
    403,
    {
      code: "link_invalid",
      detail: "This invite was taken back.",
      hint: "Ask whoever sent it for a new one.",
    },
  ];
  open("/join", "#gone");
  expect((await screen.findByRole("alert")).textContent).toContain("This invite was taken back.");
});
