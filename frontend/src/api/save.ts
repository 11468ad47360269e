/** One attempt to save a batch, as an answer that the queue understands. It never rejects. */

import type { SendAnswer, Since } from "../offline/answers";
import type { Batch } from "../offline/store";
import { reportSignedOut } from "./client";
import { type Problem, problemOf } from "./problem";

/** POST /api/v1/annotations/{id}/operations with If-Match and Idempotency-Key. */
export async function saveBatch(batch: Batch, revision: number): Promise<SendAnswer> {
  const body = {
    volume_sha256: batch.volume_sha256,
    operations: batch.operations,
    client_times: { ...batch.client_times, sent_ms: Date.now() },
  };
  let response: Response;
  try {
    response = await fetch(`/api/v1/annotations/${encodeURIComponent(batch.annotation)}/operations`, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        "If-Match": `"${revision}"`,
        "Idempotency-Key": batch.key,
      },
      body: JSON.stringify(body),
    });
  } catch {
    return { kind: "later", afterMs: null };
  }
  try {
    if (response.ok) {
      const saved = (await response.json()) as {
        revision: number;
        late: boolean;
        lease_until: string | null;
      };
      return { kind: "ok", revision: saved.revision, late: saved.late, leaseUntil: saved.lease_until };
    }
    return refusal(response, await problemOf(response));
  } catch {
    // The body broke off on the way: the same key will get the same answer.
    return { kind: "later", afterMs: null };
  }
}

function refusal(response: Response, problem: Problem): SendAnswer {
  if (response.status === 401) {
    reportSignedOut();
    return { kind: "signed-out" };
  }
  if (
    response.status === 412 &&
    typeof problem.current_revision === "number" &&
    Array.isArray(problem.since)
  ) {
    return { kind: "stale", revision: problem.current_revision, since: problem.since as Since[] };
  }
  if (response.status === 409 && problem.code === "not_open") return { kind: "closed", problem };
  if (response.status === 408 || response.status === 429 || response.status >= 500) {
    const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return { kind: "later", afterMs: seconds > 0 ? seconds * 1_000 : null };
  }
  return { kind: "refused", problem };
}
