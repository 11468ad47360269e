import { Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useState } from "react";
import { Button, LinkButton } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { ProblemNote, saidBy } from "@/shared/ui/problem-note";
import { useStore } from "./hooks";
import { Session } from "./session";
import { Workbench } from "./workbench";

export interface WorkspaceProps {
  readonly assignmentId: string;
  /** Go to another task, or, with null, to the list of them. */
  readonly onNext: (assignmentId: string | null) => void;
}

/** The workspace of one task, from loading it to handing it in. */
export function Workspace({ assignmentId, onNext }: WorkspaceProps) {
  const [session, setSession] = useState<Session | null>(null);
  const [tries, setTries] = useState(0);

  useEffect(() => {
    const begun = new Session(assignmentId);
    setSession(begun);
    void begun.start();
    return () => begun.close();
  }, [assignmentId, tries]);

  if (session === null) return null;
  return <Opened key={assignmentId} session={session} onNext={onNext} onRetry={() => setTries(tries + 1)} />;
}

function Opened({
  session,
  onNext,
  onRetry,
}: {
  session: Session;
  onNext: WorkspaceProps["onNext"];
  onRetry: () => void;
}) {
  const { t } = useLingui();
  const { phase, error, work } = useStore(session);
  if (phase === "ready" && work !== null) return <Workbench session={session} work={work} onNext={onNext} />;
  if (phase !== "failed") {
    return (
      <main id="main" className="cm-work cm-work-wait" tabIndex={-1}>
        <p role="status">
          <Trans>Opening your task</Trans>
        </p>
      </main>
    );
  }
  const isSignedOut = saidBy(error)?.status === 401;
  return (
    <main id="main" className="cm-page-main" tabIndex={-1}>
      <EmptyState
        title={isSignedOut ? t`Please sign in` : t`This task could not be opened`}
        action={
          isSignedOut ? (
            <LinkButton href={`/sign-in?next=${encodeURIComponent(location.pathname)}`}>
              <Trans>Sign in</Trans>
            </LinkButton>
          ) : (
            <>
              <Button variant="primary" onClick={onRetry}>
                <Trans>Try again</Trans>
              </Button>
              <LinkButton href="/tasks" variant="secondary">
                <Trans>Back to your tasks</Trans>
              </LinkButton>
            </>
          )
        }
      >
        {isSignedOut ? null : <ProblemNote error={error} />}
      </EmptyState>
    </main>
  );
}
