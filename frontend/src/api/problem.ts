/** What the server says when it refuses: problem+json, RFC 9457, with our stable code. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint: string;
  readonly request_id: string;
  /** Extra members of some problems, for example `current_revision` of a stale save. */
  readonly [member: string]: unknown;
}

/** A refusal or a failure that a screen shows. `problem.status` is 0 when no answer came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
  get status(): number {
    return this.problem.status;
  }
  get code(): string {
    return this.problem.code;
  }
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

/** A complete problem from any body; what a proxy answered in HTML becomes one too. */
export function problemFrom(status: number, body: unknown): Problem {
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return {
    ...given,
    type: text(given.type, "about:blank"),
    title: text(given.title, `HTTP ${status}`),
    status,
    code: text(given.code, status === 0 ? "unreachable" : "internal"),
    detail: text(given.detail, ""),
    hint: text(given.hint, ""),
    request_id: text(given.request_id, ""),
  };
}

/** The problem of a response that is not ok. Reads its body. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  return problemFrom(response.status, body);
}
