import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useState } from "react";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import type { Session, Work } from "./session";
import { type Suggested, suggestRest } from "./suggestions";

type Outcome = Suggested | { readonly kind: "problem"; readonly error: unknown };

/** Has the rest suggested as soon as it opens; closing it gives up. */
export function SuggestDialog({
  open,
  session,
  work,
  onClose,
  onCheck,
}: {
  open: boolean;
  session: Session;
  work: Work;
  onClose: () => void;
  /** To the first of the suggested slices. */
  onCheck: () => void;
}) {
  const { t } = useLingui();
  const [progress, setProgress] = useState(0);
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  useEffect(() => {
    const { sync } = session.getSnapshot();
    if (!open || sync === null) return;
    const ending = new AbortController();
    const { signal } = ending;
    const tell = (became: Outcome): void => {
      if (!signal.aborted) setOutcome(became);
    };
    setOutcome(null);
    setProgress(0);
    suggestRest(work.task.annotationId, work.editor, sync, signal, setProgress).then(tell, (error) =>
      tell({ kind: "problem", error }),
    );
    return () => ending.abort();
  }, [open, session, work]);

  const percent = Math.round(progress * 100);
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t`Suggest the rest`}
      actions={
        outcome?.kind === "taken" && outcome.slices > 0 ? (
          <Button variant="primary" onClick={onCheck}>
            <Trans>Next to check</Trans>
          </Button>
        ) : null
      }
    >
      {outcome === null ? (
        <>
          <p>
            <Trans>
              The model follows your boxes into the slices that are still to do. That can take a minute.
            </Trans>
          </p>
          <ProgressBar label={t`Suggestions`} value={percent} max={100} valueText={t`${percent} percent`} />
        </>
      ) : outcome.kind === "taken" ? (
        <p role="status">
          {outcome.slices === 0 ? (
            <Trans>Nothing follows from your boxes. Draw on one more slice and try again.</Trans>
          ) : (
            <Plural
              value={outcome.slices}
              one="# slice has a suggested box now. Look at it."
              other="# slices have a suggested box now. Look at each of them."
            />
          )}
        </p>
      ) : outcome.kind === "unsent" ? (
        <p role="alert">
          <Trans>Your work has to be saved first. Try again in a moment, when you are connected.</Trans>
        </p>
      ) : outcome.kind === "failed" ? (
        <p role="alert">
          <Trans>The model could not do it.</Trans> {outcome.why}
        </p>
      ) : (
        <ProblemNote error={outcome.error} />
      )}
    </Dialog>
  );
}
