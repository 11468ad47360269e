import { Trans, useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";

interface Said {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly hint: string;
  readonly request_id: string;
}

/** The problem that an error of the API carries; null for any other error. */
export function saidBy(error: unknown): Said | null {
  const problem = error instanceof Error && "problem" in error ? error.problem : null;
  return typeof problem === "object" && problem !== null ? (problem as Said) : null;
}

/** What went wrong, in the server's words: what, what to do about it, and small the number of the request. */
export function ProblemNote({ error, action }: { error: unknown; action?: ReactNode }) {
  const { t } = useLingui();
  if (error === null || error === undefined) return null;
  const said = saidBy(error);
  const isUnreachable = said?.status === 0;
  const what = isUnreachable
    ? t`The server cannot be reached.`
    : said?.detail || said?.title || t`Something went wrong on this page.`;
  const hint = isUnreachable ? t`Check the connection and try again.` : said?.hint;
  return (
    <div className="cm-problem" role="alert">
      <p className="cm-problem-what">{what}</p>
      {hint ? <p>{hint}</p> : null}
      {said?.request_id ? (
        <p className="cm-quiet">
          <Trans>Number of this request: {said.request_id}</Trans>
        </p>
      ) : null}
      {action}
    </div>
  );
}
