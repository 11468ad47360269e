import { Trans, useLingui } from "@lingui/react/macro";
import type { ErrorComponentProps } from "@tanstack/react-router";
import { ApiError } from "@/api/problem";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";

/** What a screen shows instead of itself when it failed. Unsent work is in the queue and is not touched by this. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const { t } = useLingui();
  const known = error instanceof ApiError ? error.problem : null;
  return (
    <EmptyState
      title={known?.title ?? t`This page could not be shown`}
      action={
        <Button variant="primary" onClick={reset}>
          <Trans>Try again</Trans>
        </Button>
      }
    >
      <p>{known?.detail || <Trans>Nothing that you drew is lost. Try again, or reload the page.</Trans>}</p>
      {known?.hint ? <p>{known.hint}</p> : null}
      {known?.request_id ? (
        <p className="cm-quiet">
          <Trans>Number of this request: {known.request_id}</Trans>
        </p>
      ) : null}
    </EmptyState>
  );
}
