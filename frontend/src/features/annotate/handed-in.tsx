import { Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useRef, useState } from "react";
import "@/shared/texts/annotate-later";
import { Button } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { KeyHint } from "./controls";
import { useStore } from "./hooks";
import type { Session, Work } from "./session";

/** What stands above the picture once the work is handed in: the mask as it is made, and where to go from here. */
export default function HandedIn({
  session,
  work,
  onNext,
}: {
  session: Session;
  work: Work;
  /** The next task; null when there is none. */
  onNext: (assignmentId: string | null) => void;
}) {
  const { state, mask, role } = useStore(session);
  const { showMask } = useStore(work.look);
  const [busy, setBusy] = useState<"next" | "reopen" | null>(null);
  const [error, setError] = useState<unknown>(null);
  const isHandedIn = state === "submitted" || state === "accepted";

  const goOn = useRef<() => void>(() => undefined);
  goOn.current = () => {
    if (busy === null) void run("next", async () => onNext(await session.claimNext()));
  };
  // Before the workspace's own keys, for which Enter is "next to check".
  useEffect(() => {
    if (!isHandedIn) return;
    const onKey = (event: KeyboardEvent): void => {
      if (!isPlainEnter(event)) return;
      event.preventDefault();
      goOn.current();
    };
    addEventListener("keydown", onKey, { capture: true });
    return () => removeEventListener("keydown", onKey, { capture: true });
  }, [isHandedIn]);
  if (!isHandedIn) return null;

  async function run(what: "next" | "reopen", does: () => Promise<void>): Promise<void> {
    setBusy(what);
    setError(null);
    try {
      await does();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(null);
    }
  }

  return (
    <section className="cm-handed-in" data-testid="handed-in" data-mask={mask.state}>
      <MaskLine session={session} />
      {mask.bits === null ? null : (
        <Button
          aria-pressed={showMask}
          aria-keyshortcuts="M"
          onClick={() => work.look.set({ showMask: !showMask })}
        >
          <Trans>Mask</Trans>
        </Button>
      )}
      {state === "submitted" && role === "leader" ? (
        <Button busy={busy === "reopen"} onClick={() => void run("reopen", () => session.reopen())}>
          <Trans>Change something</Trans>
        </Button>
      ) : null}
      <Button
        variant="primary"
        busy={busy === "next"}
        aria-keyshortcuts="Enter"
        onClick={() => goOn.current()}
      >
        <Trans>Finish and next task</Trans>
        <KeyHint letter="Enter" />
      </Button>
      <ProblemNote error={error} />
    </section>
  );
}

/** Enter that nothing else has a use for. */
function isPlainEnter(event: KeyboardEvent): boolean {
  const { code, repeat, shiftKey, altKey, ctrlKey, metaKey } = event;
  if ((code !== "Enter" && code !== "NumpadEnter") || repeat || shiftKey || altKey || ctrlKey || metaKey) {
    return false;
  }
  const target = event.target instanceof Element ? event.target : null;
  const hasUse = 'button, a, summary, input, textarea, select, dialog, [role="menu"]';
  return target?.closest(hasUse) == null && document.querySelector("dialog[open]") === null;
}

function MaskLine({ session }: { session: Session }) {
  const { t } = useLingui();
  const { mask } = useStore(session);
  const percent = Math.round(mask.progress * 100);
  switch (mask.state) {
    case "done":
      return (
        <p role="status">
          <Trans>The mask is ready: scroll through the slices to see it.</Trans>
        </p>
      );
    case "failed":
      return (
        <p role="status">
          <Trans>The mask could not be made yet; your admin can see why.</Trans>
        </p>
      );
    case "unreachable":
      return (
        <p role="status">
          <Trans>The server cannot be reached. The mask is shown as soon as it can.</Trans>
        </p>
      );
    case "none":
    case "queued":
    case "running":
      return (
        <div className="cm-mask-progress">
          <p>
            <Trans>The mask is being made</Trans>
          </p>
          <ProgressBar label={t`Mask`} value={percent} max={100} valueText={t`${percent} percent`} />
        </div>
      );
  }
}
