import { afterEach, expect, test, vi } from "vitest";
import { api, onSignedOut, unwrap } from "./client";

const asked = vi.fn<(request: Request) => Promise<Response>>();

function answering(body: string | null, status = 200): void {
  asked.mockImplementation(async () => new Response(body, { status }));
  vi.stubGlobal("fetch", asked);
}

afterEach(() => {
  asked.mockReset();
  vi.unstubAllGlobals();
});

function last(): Request {
  const request = asked.mock.lastCall?.[0];
  if (request === undefined) throw new Error("Nothing was asked.");
  return request;
}

test("names in the path are filled in, and queries leave out what is not there", async () => {
  answering('{"items": []}');
  await unwrap(
    api.GET("/api/v1/projects/{project_id}/jobs", {
      params: {
        path: { project_id: "a/b ?" },
        query: { state: ["queued", "running"], limit: 50, cursor: null },
      },
    }),
  );
  expect(last().url).toBe(
    "http://localhost/api/v1/projects/a%2Fb%20%3F/jobs?state=queued&state=running&limit=50",
  );
  expect(last().method).toBe("GET");
  expect(last().headers.has("Content-Type")).toBe(false);

  await unwrap(
    api.GET("/api/v1/projects/{project_id}/jobs", {
      params: { path: { project_id: "p" }, query: { state: [], cursor: null } },
    }),
  );
  expect(last().url).toBe("http://localhost/api/v1/projects/p/jobs");
});

test("a body goes as JSON", async () => {
  answering('{"id": "1"}', 201);
  expect(await unwrap(api.PATCH("/api/v1/me", { body: { name: "Ä" } }))).toEqual({ id: "1" });
  expect(last().headers.get("Content-Type")).toBe("application/json");
  expect(await last().json()).toEqual({ name: "Ä" });
});

test("headers go along, those of the schema too", async () => {
  answering(null, 204);
  const params = { path: { annotation_id: "a" }, header: { "if-match": '"7"' } };
  await unwrap(api.POST("/api/v1/annotations/{annotation_id}/submit", { params }));
  expect(last().headers.get("If-Match")).toBe('"7"');
  const headers = { "If-Match": '"8"' };
  await unwrap(
    api.POST("/api/v1/annotations/{annotation_id}/submit", { params: { path: params.path }, headers }),
  );
  expect(last().headers.get("If-Match")).toBe('"8"');
});

test("what the client does not know is not quietly left out", async () => {
  answering("{}");
  await expect(api.GET("/api/v1/me", { parseAs: "blob" })).rejects.toThrow("parseAs");
});

test("an answer without content has no data", async () => {
  answering(null, 204);
  expect(await unwrap(api.DELETE("/api/v1/session"))).toBeUndefined();
});

test("a refusal becomes an ApiError with the server's words", async () => {
  answering('{"code": "in_use", "title": "In use", "detail": "Somebody works on it."}', 409);
  await expect(unwrap(api.DELETE("/api/v1/session"))).rejects.toMatchObject({
    status: 409,
    code: "in_use",
    message: "Somebody works on it.",
  });
});

test("a page that a proxy put in the way becomes a problem", async () => {
  answering("<html>Bad gateway</html>", 502);
  await expect(unwrap(api.GET("/api/v1/me"))).rejects.toMatchObject({ status: 502, code: "internal" });
  answering("<html>Sign in to the wireless network</html>", 200);
  await expect(unwrap(api.GET("/api/v1/me"))).rejects.toMatchObject({ status: 0, code: "unreachable" });
});

test("no answer is status 0, but a call that was given up stays an AbortError", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  await expect(unwrap(api.GET("/api/v1/me"))).rejects.toMatchObject({ status: 0, code: "unreachable" });
  const signal = AbortSignal.abort();
  vi.stubGlobal("fetch", async (request: Request) => {
    request.signal.throwIfAborted();
  });
  await expect(unwrap(api.GET("/api/v1/me", { signal }))).rejects.toMatchObject({ name: "AbortError" });
});

test("whoever listens is told that nobody is signed in", async () => {
  answering("{}", 401);
  const listener = vi.fn();
  const end = onSignedOut(listener);
  await expect(unwrap(api.GET("/api/v1/me"))).rejects.toMatchObject({ status: 401 });
  end();
  await expect(unwrap(api.GET("/api/v1/me"))).rejects.toMatchObject({ status: 401 });
  expect(listener).toHaveBeenCalledTimes(1);
});
