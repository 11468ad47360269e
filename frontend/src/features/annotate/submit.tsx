import { Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useState } from "react";
import type { Gap } from "@/canvas/document";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import type { Submitted } from "./handing-in";
import type { Session } from "./session";
import { gapWords } from "./words";

export interface SubmitDialogProps {
  readonly open: boolean;
  readonly session: Session;
  readonly onClose: () => void;
  readonly onDone: () => void;
  readonly onJump: (z: number) => void;
}

/** Hands the work in as soon as it opens; stays only to say what is in the way. */
export function SubmitDialog({ open, session, onClose, onDone, onJump }: SubmitDialogProps) {
  const { t } = useLingui();
  const [outcome, setOutcome] = useState<Submitted | null>(null);
  const [attempt, setAttempt] = useState(1);

  useEffect(() => {
    if (!open) return;
    let isCurrent = true;
    setOutcome(null);
    void session.submit().then((became) => {
      if (!isCurrent) return;
      setOutcome(became);
      if (became.kind === "done") onDone();
    });
    return () => {
      isCurrent = false;
    };
  }, [open, session, attempt]);

  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={outcome?.kind === "gaps" ? t`Not finished yet` : t`Submit`}
      actions={
        outcome?.kind === "unsent" || outcome?.kind === "problem" ? (
          <Button variant="primary" onClick={() => setAttempt((before) => before + 1)}>
            <Trans>Try again</Trans>
          </Button>
        ) : null
      }
    >
      {outcome === null ? (
        <p role="status">
          <Trans>Submitting…</Trans>
        </p>
      ) : outcome.kind === "gaps" ? (
        <GapList gaps={outcome.gaps} onJump={onJump} />
      ) : outcome.kind === "unsent" ? (
        <p role="alert">
          <Trans>
            Your work is kept on this device, but not all of it has reached the server. Try again when you are
            connected.
          </Trans>
        </p>
      ) : outcome.kind === "problem" ? (
        <ProblemNote error={outcome.error} />
      ) : null}
    </Dialog>
  );
}

const MOST = 60;

function GapList({ gaps, onJump }: { gaps: readonly Gap[]; onJump: (z: number) => void }) {
  const rest = gaps.length - MOST;
  return (
    <>
      <p>
        <Trans>These slices are still open. Jump to one and decide it.</Trans>
      </p>
      <ul className="cm-gaps" data-testid="gaps">
        {gaps.slice(0, MOST).map((gap) => {
          const words = gapWords(gap);
          return (
            <li key={gap.first}>
              <span>{words}</span>
              <JumpButton words={words} onClick={() => onJump(gap.first)} />
            </li>
          );
        })}
      </ul>
      {rest > 0 ? (
        <p className="cm-quiet">
          <Trans>And {rest} more.</Trans>
        </p>
      ) : null}
    </>
  );
}

function JumpButton({ words, onClick }: { words: string; onClick: () => void }) {
  const { t } = useLingui();
  return (
    <Button aria-label={t`Jump to ${words}`} onClick={onClick}>
      <Trans>Jump</Trans>
    </Button>
  );
}
