import { Trans, useLingui } from "@lingui/react/macro";
import { type FormEvent, useState } from "react";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog, Drawer } from "@/shared/ui/dialog";
import { Field } from "@/shared/ui/field";
import type { Panel } from "./actions";
import { GuideText } from "./guide";
import { useStore } from "./hooks";
import type { Session, Work } from "./session";
import { Legend } from "./timeline";
import { organName } from "./words";

export interface DialogsProps {
  readonly panel: Panel | null;
  readonly session: Session;
  readonly work: Work;
  readonly onClose: () => void;
}

/** The small dialogs of the workspace; one at a time. */
export function Dialogs({ panel, session, work, onClose }: DialogsProps) {
  const { t } = useLingui();
  const organ = organName(work.task.assignment.label.name);
  return (
    <>
      <Drawer open={panel === "guide"} onClose={onClose} title={work.task.assignment.label.name}>
        <div className="cm-guide-body">
          <GuideText task={work.task} />
        </div>
      </Drawer>
      <HelpDialog open={panel === "help"} onClose={onClose} organ={organ} />
      {panel === "windows" ? <WindowDialog session={session} work={work} onClose={onClose} /> : null}
      <EndsDialog open={panel === "ends"} work={work} organ={organ} onClose={onClose} />
      <Confirm
        open={panel === "none-in-scan"}
        onClose={onClose}
        onConfirm={() => {
          work.editor.notInVolume();
          onClose();
        }}
        title={t`The ${organ} is not in this scan?`}
        confirmLabel={t`It is not in this scan`}
      >
        <p>
          <Trans>
            All slices are marked Not here, and boxes that were drawn are removed. You can undo this.
          </Trans>
        </p>
      </Confirm>
    </>
  );
}

function EndsDialog({
  open,
  work,
  organ,
  onClose,
}: {
  open: boolean;
  work: Work;
  organ: string;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { z } = useStore(work.editor);
  const number = z + 1;
  const choose = (direction: 1 | -1) => () => {
    work.editor.endsHere(z, direction);
    onClose();
  };
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t`The ${organ} ends on slice ${number}`}
      actions={
        <>
          <Button onClick={choose(-1)}>
            <Trans>Nothing before it</Trans>
          </Button>
          <Button onClick={choose(1)}>
            <Trans>Nothing after it</Trans>
          </Button>
        </>
      }
    >
      <p>
        <Trans>
          On which side of this slice is no more of the {organ}? Those slices are marked Not here.
        </Trans>
      </p>
    </Dialog>
  );
}

function WindowDialog({ session, work, onClose }: { session: Session; work: Work; onClose: () => void }) {
  const { t } = useLingui();
  const { window } = work.look.getSnapshot();
  const [level, setLevel] = useState(String(Math.round((window.low + window.high) * 50) / 100));
  const [width, setWidth] = useState(String(Math.round((window.high - window.low) * 100) / 100));
  const [middle, wide] = [Number(level), Number(width)];
  const isRight = level.trim() !== "" && Number.isFinite(middle) && Number.isFinite(wide) && wide > 0;
  function keep(event: FormEvent): void {
    event.preventDefault();
    if (!isRight) return;
    session.setWindow({ low: middle - wide / 2, high: middle + wide / 2 });
    onClose();
  }
  return (
    <Dialog open onClose={onClose} title={t`Brightness and contrast`}>
      <form onSubmit={keep}>
        <Field
          label={t`Middle`}
          inputMode="decimal"
          value={level}
          onChange={(event) => setLevel(event.target.value)}
        />
        <Field
          label={t`Width`}
          inputMode="decimal"
          value={width}
          hint={t`With the mouse: drag with the right button.`}
          onChange={(event) => setWidth(event.target.value)}
        />
        <Button type="submit" variant="primary" disabled={!isRight}>
          <Trans>Use these</Trans>
        </Button>
      </form>
    </Dialog>
  );
}

function HelpDialog({ open, onClose, organ }: { open: boolean; onClose: () => void; organ: string }) {
  const { t } = useLingui();
  const keys: readonly (readonly [string, string])[] = [
    ["W / S, ↑ / ↓", t`Previous and next slice; with Shift five at once`],
    ["Space, Enter", t`Next to check; after submitting, Enter goes to the next task`],
    ["F, L", t`First slice and last slice of the ${organ}`],
    ["N", t`Not here: only this slice is without the ${organ}`],
    ["E", t`Ends here: all slices beyond are without the ${organ}`],
    ["B", t`Copy the box of the slice beside`],
    ["P", t`New piece: the next box is not joined to others`],
    ["K", t`A box without the mouse, or take the suggested one`],
    ["← ↑ → ↓", t`Move the chosen box; with Alt change its size; with Shift by five`],
    ["Delete, Esc", t`Delete the chosen box; choose none`],
    ["Ctrl Z, Ctrl Y", t`Undo, redo`],
    ["1 – 4", t`Windows`],
    ["0, +, −", t`Fit to the screen, closer, farther`],
    ["M, G, ?", t`Mask, guide, this help`],
    ["Ctrl Enter", t`Submit`],
  ];
  return (
    <Dialog open={open} onClose={onClose} title={t`Help`} className="cm-help">
      <p>
        <Trans>
          Mark the first and the last slice of the {organ}. Draw the smallest box around it on about every
          fifth slice; the slices between are filled in with dashed boxes. Look at each of them: a box that
          you have seen counts as done, and a wrong one is drawn again.
        </Trans>
      </p>
      <p>
        <Trans>
          One finger draws, two fingers zoom and move the picture. With the mouse: the wheel changes slices,
          with Ctrl it zooms; the middle button moves the picture.
        </Trans>
      </p>
      <Legend />
      <dl className="cm-keys">
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
