import { useLingui } from "@lingui/react/macro";
import type { Sync } from "@/offline/sync";
import { Button, LinkButton } from "@/shared/ui/button";
import { Menu } from "@/shared/ui/menu";
import { KeyHint } from "./controls";
import { useStore } from "./hooks";
import type { Command } from "./keys";
import { NextStepLine, UndoButton } from "./next-step-line";
import type { Session, Work } from "./session";
import { organName, saveWords, windowName } from "./words";

export interface TopBarProps {
  readonly session: Session;
  readonly work: Work;
  readonly isPhone: boolean;
  readonly act: (command: Command) => void;
  readonly onWindows: () => void;
}

export function TopBar({ session, work, isPhone, act, onWindows }: TopBarProps) {
  const { t } = useLingui();
  const { sync, state, role } = useStore(session);
  const { canUndo, canRedo, readOnly } = useStore(work.editor);
  const { window } = useStore(work.look);
  const { assignment } = work.task;
  const organ = organName(assignment.label.name);
  const scan = assignment.volume_name;
  const isOpen = state === "open" || state === "returned";
  return (
    <header className="cm-top">
      <LinkButton href="/tasks" variant="plain" aria-label={t`Back to your tasks`}>
        <span aria-hidden="true">←</span>
      </LinkButton>
      <h1>{t`Box the ${organ} · ${scan}`}</h1>
      <NextStepLine session={session} work={work} isPhone={isPhone} act={act} />
      {sync === null ? null : <SaveState sync={sync} />}
      {isPhone ? null : (
        <>
          <UndoButton act={act} disabled={readOnly || !canUndo} />
          <Button
            variant="plain"
            aria-label={t`Redo`}
            aria-keyshortcuts="Control+Y"
            disabled={readOnly || !canRedo}
            onClick={() => act({ do: "redo" })}
          >
            <span aria-hidden="true">↷</span>
          </Button>
          <Menu
            label={t`Window`}
            entries={[
              ...work.presets.map(({ name, window: its }, i) => ({
                id: name,
                label: windowName(name),
                checked: its.low === window.low && its.high === window.high,
                hint: <KeyHint letter={String(i + 1)} />,
                onSelect: () => session.setWindow(its),
              })),
              { id: "values", label: t`Brightness and contrast`, onSelect: onWindows },
            ]}
          />
        </>
      )}
      {role === "follower" ? (
        <Button variant="primary" onClick={() => session.workHere()}>
          {t`Use this tab`}
        </Button>
      ) : isOpen ? (
        <Button variant="primary" disabled={readOnly} onClick={() => act({ do: "submit" })}>
          {t`Submit`}
        </Button>
      ) : null}
    </header>
  );
}

function SaveState({ sync }: { sync: Sync }) {
  const snapshot = useStore(sync);
  return (
    <span className="cm-save-state" data-testid="save-state" data-status={snapshot.status}>
      {saveWords(snapshot)}
    </span>
  );
}
