import { useLingui } from "@lingui/react/macro";
import { Button } from "@/shared/ui/button";
import { Menu, type MenuEntry } from "@/shared/ui/menu";
import { useStore } from "./hooks";
import type { Command } from "./keys";
import type { Session, Work } from "./session";

export interface ControlsProps {
  readonly session: Session;
  readonly work: Work;
  readonly act: (command: Command) => void;
  readonly onOpen: (panel: "more" | "windows" | "none-in-scan" | "suggest" | "help" | "guide") => void;
}

export interface Control extends MenuEntry {
  readonly label: string;
  readonly key?: string;
  readonly pressed?: boolean;
}

/** What can be done on this slice, the same for the bar and for the drawer. */
export function useControls({ session, work, act, onOpen }: ControlsProps) {
  const { t } = useLingui();
  const { editor } = work;
  const { states, z, readOnly, newPiece, tool } = useStore(editor);
  const { mask, preview } = useStore(session);
  const { showMask } = useStore(work.look);
  const isAbsent = states[z] === "absent";
  const disabled = readOnly;
  const control = (id: Command["do"] & string, label: string, key: string, more = {}): Control => ({
    id,
    label,
    key,
    disabled,
    onSelect: () => act({ do: id } as Command),
    ...more,
  });
  const marks = [
    control("first", t`First slice`, "F"),
    control("last", t`Last slice`, "L"),
    control("not-here", isAbsent ? t`Here after all` : t`Not here`, "N"),
    control("ends-here", t`Ends here`, "E"),
  ];
  const boxes = [
    control("new-piece", t`New piece`, "P", { pressed: newPiece }),
    control("copy", t`Copy box`, "B"),
    control("delete", t`Delete box`, "Del"),
  ];
  const rest: Control[] = [
    {
      id: "corners",
      label: t`Draw with two taps`,
      pressed: tool === "corners",
      disabled,
      onSelect: () => editor.setTool(tool === "corners" ? "drag" : "corners"),
    },
    ...(mask.bits === null && preview === null
      ? []
      : [control("mask", t`Mask`, "M", { pressed: showMask, disabled: false })]),
    control("guide", t`Guide`, "G", { disabled: false }),
    control("fit", t`Fit to the screen`, "0", { disabled: false }),
    { id: "suggest", label: t`Suggest the rest`, disabled, onSelect: () => onOpen("suggest") },
    { id: "none", label: t`Not in this scan`, disabled, onSelect: () => onOpen("none-in-scan") },
    control("help", t`Help`, "?", { disabled: false }),
  ];
  return { marks, boxes, rest };
}

export function ControlButton({ control }: { control: Control }) {
  return (
    <Button
      disabled={control.disabled ?? false}
      aria-pressed={control.pressed}
      aria-keyshortcuts={control.key}
      onClick={control.onSelect}
    >
      {control.label}
      <KeyHint letter={control.key} />
    </Button>
  );
}

export function KeyHint({ letter }: { letter: string | undefined }) {
  return letter === undefined ? null : (
    <span className="cm-key-hint" aria-hidden="true">
      {letter}
    </span>
  );
}

/** The bar below the picture, where there is room. */
export function ControlBar(props: ControlsProps) {
  const { t } = useLingui();
  const { act } = props;
  const { marks, boxes, rest } = useControls(props);
  return (
    <div className="cm-controls" role="toolbar" aria-label={t`Tools`}>
      <Steps act={act} />
      <span className="cm-gap" />
      {[...marks, ...boxes].map((control) => (
        <ControlButton key={control.id} control={control} />
      ))}
      <Menu
        label={t`More`}
        placement="up"
        entries={rest.map(({ key, pressed, ...entry }) => ({
          ...entry,
          ...(pressed === undefined ? {} : { checked: pressed }),
          hint: <KeyHint letter={key} />,
        }))}
      />
    </div>
  );
}

function Steps({ act }: { act: ControlsProps["act"] }) {
  const { t } = useLingui();
  return (
    <>
      <Button aria-keyshortcuts="W" onClick={() => act({ do: "step", slices: -1 })}>
        {t`Previous`}
        <KeyHint letter="W" />
      </Button>
      <Button aria-keyshortcuts="S" onClick={() => act({ do: "step", slices: 1 })}>
        {t`Next`}
        <KeyHint letter="S" />
      </Button>
      <Button variant="primary" aria-keyshortcuts="Space" onClick={() => act({ do: "next-to-check" })}>
        {t`Next to check`}
        <KeyHint letter="Space" />
      </Button>
    </>
  );
}

/** One row for the thumbs. */
export function ThumbBar({ act, onOpen }: ControlsProps) {
  const { t } = useLingui();
  return (
    <div className="cm-controls cm-thumbs" role="toolbar" aria-label={t`Tools`}>
      <Steps act={act} />
      <Button aria-haspopup="dialog" onClick={() => onOpen("more")}>{t`More`}</Button>
    </div>
  );
}
