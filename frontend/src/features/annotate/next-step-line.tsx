import { Trans, useLingui } from "@lingui/react/macro";
import { Button } from "@/shared/ui/button";
import { useStore } from "./hooks";
import type { Command } from "./keys";
import { markOf, nextStep } from "./next-step";
import type { Session, Work } from "./session";
import { organName } from "./words";

/** One plain sentence: what to do now. On a phone, where the tools are out of sight, with the button that it speaks of. */
export function NextStepLine({
  session,
  work,
  isPhone,
  act,
}: {
  session: Session;
  work: Work;
  isPhone: boolean;
  act: (command: Command) => void;
}) {
  const shown = useStore(work.editor);
  const { state, role } = useStore(session);
  const step = nextStep(shown);
  return (
    <div className="cm-step">
      <p className="cm-next-step" data-testid="next-step">
        {role === "follower" ? (
          <Trans>This task is open in another tab. Here you can only look.</Trans>
        ) : state === "submitted" ? (
          <Trans>You have submitted this task.</Trans>
        ) : state === "accepted" ? (
          <Trans>This task was accepted. Thank you.</Trans>
        ) : state === "returned" && step.do === "submit" ? (
          <Trans>Change what was asked for, then Submit</Trans>
        ) : (
          <Words work={work} step={step} />
        )}
      </p>
      {isPhone && !shown.readOnly ? <AtHand mark={markOf(step)} canUndo={shown.canUndo} act={act} /> : null}
    </div>
  );
}

function AtHand({
  mark,
  canUndo,
  act,
}: {
  mark: ReturnType<typeof markOf>;
  canUndo: boolean;
  act: (command: Command) => void;
}) {
  const { t } = useLingui();
  return (
    <>
      {canUndo ? <UndoButton act={act} /> : null}
      {mark === null ? null : (
        <Button onClick={() => act({ do: mark })}>{mark === "first" ? t`First slice` : t`Last slice`}</Button>
      )}
    </>
  );
}

export function UndoButton({
  act,
  disabled = false,
}: {
  act: (command: Command) => void;
  disabled?: boolean;
}) {
  const { t } = useLingui();
  return (
    <Button
      variant="plain"
      aria-label={t`Undo`}
      aria-keyshortcuts="Control+Z"
      disabled={disabled}
      onClick={() => act({ do: "undo" })}
    >
      <span aria-hidden="true">↶</span>
    </Button>
  );
}

function Words({ work, step }: { work: Work; step: ReturnType<typeof nextStep> }) {
  const { t } = useLingui();
  const organ = organName(work.task.assignment.label.name);
  const key = (letter: string) => <span className="cm-key-hint"> ({letter})</span>;
  switch (step.do) {
    case "find-first":
      return (
        <>
          {t`Find the first slice of the ${organ}, then choose First slice`}
          {key("F")}
        </>
      );
    case "draw":
      return <>{t`Draw a box around the ${organ} on this slice`}</>;
    case "draw-or-end":
      return step.at === "first" ? (
        <>
          {t`Draw a box around the ${organ} on this slice, or choose First slice where it begins`}
          {key("F")}
        </>
      ) : (
        <>
          {t`Draw a box around the ${organ} on this slice, or choose Last slice where it ends`}
          {key("L")}
        </>
      );
    case "go-on":
      return <>{t`Go on about 5 slices and draw again; the slices between are filled in`}</>;
    case "check": {
      const { slices } = step;
      return (
        <>
          {slices === 1
            ? t`Look at the suggested slice: Next to check`
            : t`Look at the ${slices} suggested slices: Next to check`}
          {key("Space")}
        </>
      );
    }
    case "mark-first":
      return (
        <>
          {t`Mark where the ${organ} begins: go to its first slice, then choose First slice`}
          {key("F")}
        </>
      );
    case "mark-last":
      return (
        <>
          {t`Mark where the ${organ} ends: go to its last slice, then choose Last slice`}
          {key("L")}
        </>
      );
    case "decide": {
      const { slices } = step;
      return (
        <>
          {slices === 1
            ? t`One slice is still to do: Next to check`
            : t`${slices} slices are still to do: Next to check`}
          {key("Space")}
        </>
      );
    }
    case "submit":
      return <>{t`All slices are done: Submit`}</>;
  }
}
