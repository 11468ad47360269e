import { useLingui } from "@lingui/react/macro";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Button } from "@/shared/ui/button";
import { useToasts } from "@/shared/ui/toast";
import { type Panel, act as perform } from "./actions";
import { ControlBar, ThumbBar } from "./controls";
import { GuidePanel } from "./guide";
import { PHONE, useMedia, useStore } from "./hooks";
import type { Command } from "./keys";
import type { Session, Work } from "./session";
import { Timeline } from "./timeline";
import { TopBar } from "./top-bar";
import { useAnnouncements } from "./use-announcements";
import { useKeys } from "./use-keys";
import { Viewer } from "./viewer";

// Not needed before the picture is there.
const Panels = lazy(() => import("./panels"));
const Notices = lazy(() => import("./notices"));
const Preview = lazy(() => import("./preview"));
const HandedIn = lazy(() => import("./handed-in"));
const SAID_MS = 3_500;
const LATER_MS = 1_500;

const NARROW = "(max-width: 1000px)";

/** The whole screen, once its task is loaded. */
export function Workbench({
  session,
  work,
  onNext,
}: {
  session: Session;
  work: Work;
  onNext: (assignmentId: string | null) => void;
}) {
  const { t } = useLingui();
  const toasts = useToasts();
  const { sync, state } = useStore(session);
  const isPhone = useMedia(PHONE);
  const isNarrow = useMedia(NARROW);
  const [panel, setPanel] = useState<Panel | null>(null);
  const [guide, setGuide] = useState(true);
  const [hasRested, setHasRested] = useState(false);
  const [said, setSaid] = useState<{ readonly text: string } | null>(null);
  const space = useRef<"up" | "down" | "used">("up");

  const act = useMemo(() => {
    const host = {
      say: (text: string) => {
        setSaid({ text });
        toasts.announce(text);
      },
      open: setPanel,
      toggleGuide: () => {
        if (matchMedia(NARROW).matches) setPanel((open) => (open === "guide" ? null : "guide"));
        else setGuide((open) => !open);
      },
    };
    return (command: Command) => perform(command, session, work, host);
  }, [session, work, toasts]);

  useKeys(work.editor, act, space);
  useAnnouncements(work.editor, sync);
  useEffect(() => {
    const timer = setTimeout(() => setHasRested(true), LATER_MS);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const close = useCallback(() => setPanel(null), []);
  useEffect(() => {
    document.title = work.task.assignment.label.name;
    return () => {
      document.title = "Crowdmask";
    };
  }, [work]);

  const controls = { session, work, act, onOpen: setPanel };
  return (
    <div className="cm-work" data-guide={guide && !isNarrow}>
      <TopBar
        session={session}
        work={work}
        isPhone={isPhone}
        act={act}
        onWindows={() => setPanel("windows")}
      />
      {sync === null || !hasRested ? null : (
        <Suspense>
          <Notices session={session} work={work} sync={sync} />
        </Suspense>
      )}
      {state === "submitted" || state === "accepted" ? (
        <Suspense>
          <HandedIn session={session} work={work} onNext={onNext} />
        </Suspense>
      ) : null}
      <main id="main" className="cm-work-main" tabIndex={-1}>
        {isNarrow ? null : guide ? (
          <GuidePanel task={work.task} onClose={() => setGuide(false)} />
        ) : (
          <Button
            className="cm-guide-open"
            variant="plain"
            aria-label={t`Show the guide`}
            aria-keyshortcuts="G"
            onClick={() => setGuide(true)}
          >
            <span aria-hidden="true">»</span>
          </Button>
        )}
        <Viewer session={session} work={work} space={space} said={said?.text ?? null}>
          {hasRested ? (
            <Suspense>
              <Preview session={session} work={work} />
            </Suspense>
          ) : null}
        </Viewer>
        <Timeline editor={work.editor} />
      </main>
      {isPhone ? <ThumbBar {...controls} /> : <ControlBar {...controls} />}
      <Suspense>
        {hasRested || panel !== null ? (
          <Panels panel={panel} controls={controls} isPhone={isPhone} onClose={close} />
        ) : null}
      </Suspense>
    </div>
  );
}
