import { useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { ProblemNote } from "./problem-note";

/** Asks before something that cannot be undone; says what will happen. */
export function Confirm({
  open,
  onClose,
  onConfirm,
  title,
  confirmLabel,
  busy = false,
  error,
  children,
}: {
  open: boolean;
  onClose: () => void;
  onConfirm: () => void;
  title: string;
  /** What the button does, as a verb. */
  confirmLabel: string;
  busy?: boolean;
  error?: unknown;
  children: ReactNode;
}) {
  const { t } = useLingui();
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={title}
      actions={
        <>
          <Button onClick={onClose}>{t`Cancel`}</Button>
          <Button variant="danger" busy={busy} onClick={onConfirm}>
            {confirmLabel}
          </Button>
        </>
      }
    >
      {children}
      <ProblemNote error={error} />
    </Dialog>
  );
}
