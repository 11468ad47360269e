/**
 * The typed HTTP client. Types come from openapi.json (`npm run api`) by way of openapi-fetch. Its code is not used: every
 * page would carry 2 kB for ways of writing a request that our API does not have.
 */
import type { Client } from "openapi-fetch";
import { ApiError, problemFrom } from "./problem";
import type { paths } from "./schema";

const signedOutListeners = new Set<() => void>();

/** Be told when any answer was 401. Returns the function that ends it. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

export function reportSignedOut(): void {
  for (const listener of signedOutListeners) listener();
}

const ORIGIN = typeof window === "undefined" ? "http://localhost" : window.location.origin;

interface Call {
  readonly params?: {
    readonly path?: Record<string, unknown>;
    readonly query?: Record<string, unknown>;
    readonly header?: Record<string, unknown>;
  };
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** Where a call goes. Lists are repeated (`?state=a&state=b`); what is null or undefined is left out. */
function urlOf(path: string, params: Call["params"]): string {
  const filled = path.replace(/\{([^{}]+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params?.path?.[name])),
  );
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params?.query ?? {})) {
    for (const one of [value].flat()) if (one != null) query.append(name, String(one));
  }
  return `${ORIGIN}${filled}${query.size > 0 ? `?${query}` : ""}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function call(method: string, path: string, init: Call = {}) {
  const { params, headers: given, body, signal, ...unsupported } = init;
  // The types of openapi-fetch allow more than this.
  const more = Object.keys(unsupported);
  if (more.length > 0) throw new Error(`The API client does not know ${more}`);
  const headers = new Headers(given);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  for (const [name, value] of Object.entries(params?.header ?? {})) {
    if (value != null) headers.set(name, String(value));
  }
  const request = new Request(urlOf(path, params), {
    method,
    headers,
    // The page and the API are one origin.
    credentials: "same-origin",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const response = await fetch(request);
  if (response.status === 401) reportSignedOut();
  const text = await response.text();
  if (!response.ok) return { error: parsed(text), response };
  // What has no content has no data either; anything else of ours is JSON.
  return { data: text === "" ? undefined : (JSON.parse(text) as unknown), response };
}

const METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE"] as const;

/** Paths begin with /api/v1, as in the schema. */
export const api = Object.fromEntries(
  METHODS.map((method) => [method, (path: string, init?: Call) => call(method, path, init)]),
) as unknown as Pick<Client<paths>, (typeof METHODS)[number]>;

/**
 * The body of an answer, or an ApiError: what React Query expects of a query function.
 *
 *     queryFn: () => unwrap(api.GET("/api/v1/me"))
 */
export async function unwrap<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let answer: { data?: T; error?: unknown; response: Response };
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(problemFrom(0, null));
  }
  if (!answer.response.ok) throw new ApiError(problemFrom(answer.response.status, answer.error));
  return answer.data as T;
}
