import { afterEach, expect, test, vi } from "vitest";
import type { Batch } from "../offline/store";
import { onSignedOut } from "./client";
import { saveBatch } from "./save";

const BATCH: Batch = {
  account: "ada",
  annotation: "a/1",
  seq: 1,
  key: "key-1",
  operations: [{ op: "mark_absent", first: 0, last: 3 }],
  volume_sha256: "v",
  client_times: { began_ms: 5, shown_ms: { "12": 340 } },
  created: 5,
  begun: true,
};

afterEach(() => vi.unstubAllGlobals());

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const fetched = vi.fn(async (_url: string, _init: RequestInit) => {
    return new Response(JSON.stringify(body), { status, headers });
  });
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

test("sends revision, key, boxes and times as the server wants them", async () => {
  const fetched = answer(200, { revision: 8, late: true, lease_until: null });
  expect(await saveBatch(BATCH, 7)).toEqual({ kind: "ok", revision: 8, late: true, leaseUntil: null });
  const [url, init] = fetched.mock.calls[0] ?? [];
  expect(url).toBe("/api/v1/annotations/a%2F1/operations");
  expect(init?.headers).toMatchObject({ "If-Match": '"7"', "Idempotency-Key": "key-1" });
  const body = JSON.parse(String(init?.body)) as Record<string, unknown>;
  expect(Object.keys(body)).toEqual(["volume_sha256", "operations", "client_times"]);
  expect(Object.keys(body.client_times as object)).toEqual(["began_ms", "shown_ms", "sent_ms"]);
});

test.each([
  [
    412,
    { code: "revision_stale", current_revision: 9, since: [] },
    { kind: "stale", revision: 9, since: [] },
  ],
  [409, { code: "not_open" }, { kind: "closed" }],
  [409, { code: "volume_mismatch" }, { kind: "refused" }],
  [422, { code: "box_invalid" }, { kind: "refused" }],
  [500, "<html>", { kind: "later", afterMs: null }],
])("%i %o", async (status, body, expected) => {
  answer(status, body);
  expect(await saveBatch(BATCH, 7)).toMatchObject(expected);
});

test("waits as long as the server asks", async () => {
  answer(503, {}, { "Retry-After": "3" });
  expect(await saveBatch(BATCH, 7)).toEqual({ kind: "later", afterMs: 3000 });
});

test("an expired sign-in is told to the whole page", async () => {
  const told = vi.fn();
  const stop = onSignedOut(told);
  answer(401, {});
  expect(await saveBatch(BATCH, 7)).toEqual({ kind: "signed-out" });
  expect(told).toHaveBeenCalledOnce();
  stop();
});

test("without a network it is later", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  expect(await saveBatch(BATCH, 7)).toEqual({ kind: "later", afterMs: null });
});
