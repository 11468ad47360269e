import { Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useState } from "react";
import type { Choice } from "@/offline/conflict";
import type { Sync } from "@/offline/sync";
import "@/shared/texts/annotate-later";
import { sliceNumber } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { useStore } from "./hooks";
import type { Session, Work } from "./session";
import { organName } from "./words";

/** What saving has to say beyond "All saved": conflicts, sign-in, refusals, lost reservations. */
export default function Notices({ session, work, sync }: { session: Session; work: Work; sync: Sync }) {
  const { status, late, problem, storageFailed, unsent } = useStore(sync);

  // Only when leaving would really lose something: all else is on the disk.
  useEffect(() => {
    if (unsent === 0 || !storageFailed) return;
    const hold = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", hold);
    return () => removeEventListener("beforeunload", hold);
  }, [unsent, storageFailed]);

  return (
    <>
      {late || work.task.assignment.late ? (
        <p className="cm-banner" role="status">
          <Trans>This task was given to somebody else meanwhile. Your work is kept.</Trans>
        </p>
      ) : null}
      <SentBack session={session} work={work} />
      {storageFailed ? (
        <p className="cm-banner" role="alert">
          <Trans>This device cannot keep your work. Leave this page open until everything is saved.</Trans>
        </p>
      ) : null}
      {(status === "closed" || status === "refused") && problem !== null ? (
        <div className="cm-banner" role="alert">
          <p>
            <Trans>Your last changes were not taken.</Trans> {problem.detail} {problem.hint}
          </p>
          <Button size="small" onClick={() => void download(session)}>
            <Trans>Save my changes as a file</Trans>
          </Button>
        </div>
      ) : null}
      <SignInDialog open={status === "signed-out"} onSignedIn={() => sync.resume()} />
      <ConflictDialog open={status === "conflict"} session={session} work={work} />
    </>
  );
}

/** What a reviewer wants to be done again, and where. */
function SentBack({ session, work }: { session: Session; work: Work }) {
  const { state } = useStore(session);
  const [isRead, setIsRead] = useState(false);
  const said = work.task.assignment.work;
  if (state !== "returned" || isRead || !said?.return_comment) return null;
  const z = said.return_slice;
  const slice = z === null ? 0 : sliceNumber(z);
  return (
    <div className="cm-banner" role="status">
      <p>
        <strong>
          <Trans>Sent back to you:</Trans>
        </strong>{" "}
        {said.return_comment}
      </p>
      {z === null ? null : (
        <Button size="small" onClick={() => work.editor.goTo(z)}>
          <Trans>Go to slice {slice}</Trans>
        </Button>
      )}
      <Button size="small" variant="plain" onClick={() => setIsRead(true)}>
        <Trans>Hide</Trans>
      </Button>
    </div>
  );
}

async function download(session: Session): Promise<void> {
  const url = URL.createObjectURL(new Blob([await session.exportJson()], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "crowdmask-unsent-work.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function SignInDialog({ open, onSignedIn }: { open: boolean; onSignedIn: () => void }) {
  const { t } = useLingui();
  return (
    <Dialog
      open={open}
      onClose={onSignedIn}
      title={t`You are signed out`}
      actions={
        <>
          <LinkButton href="/sign-in" target="_blank" rel="opener">
            <Trans>Sign in in a new tab</Trans>
          </LinkButton>
          <Button onClick={onSignedIn}>
            <Trans>I have signed in</Trans>
          </Button>
        </>
      }
    >
      <p>
        <Trans>
          Nothing is lost: your work is kept on this device and is sent when you have signed in again.
        </Trans>
      </p>
    </Dialog>
  );
}

function ConflictDialog({ open, session, work }: { open: boolean; session: Session; work: Work }) {
  const { t } = useLingui();
  const [busy, setBusy] = useState<Choice | null>(null);
  const organ = organName(work.task.assignment.label.name);
  const choice = (which: Choice, label: string) => (
    <Button
      busy={busy === which}
      disabled={busy !== null}
      onClick={() => {
        setBusy(which);
        void session.resolve(which).finally(() => setBusy(null));
      }}
    >
      {label}
    </Button>
  );
  return (
    <Dialog
      open={open}
      // It has to be decided: nothing more is sent before.
      onClose={() => undefined}
      title={t`Somebody saved this task in another place`}
      actions={
        <>
          {choice("both", t`Keep both`)}
          {choice("mine", t`Keep mine`)}
          {choice("theirs", t`Take theirs`)}
        </>
      }
    >
      <p>
        <Trans>
          The boxes of the {organ} were changed on another device while you worked here. Keep both puts your
          boxes beside the others; Keep mine replaces them; Take theirs gives up what you did here since.
        </Trans>
      </p>
    </Dialog>
  );
}
