import { useLingui } from "@lingui/react/macro";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./button";

export interface DialogProps {
  readonly open: boolean;
  /** Asked for by the close button, the Escape key, and a click beside it. */
  readonly onClose: () => void;
  readonly title: string;
  /** Buttons at the end; the first safe one should come first. */
  readonly actions?: ReactNode;
  readonly className?: string;
  readonly side?: "start" | "end";
  readonly children?: ReactNode;
}

/** A modal dialog: the browser's own, so focus stays inside, Escape closes, and focus goes back afterwards. */
export function Dialog({ open, onClose, title, actions, className, side, children }: DialogProps) {
  const { t } = useLingui();
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useEffect(() => {
    const dialog = element.current;
    if (dialog === null) return;
    if (open && !dialog.open) {
      // Older engines, and jsdom, have no showModal.
      if (typeof dialog.showModal === "function") dialog.showModal();
      else dialog.setAttribute("open", "");
    } else if (!open && dialog.open) {
      if (typeof dialog.close === "function") dialog.close();
      else dialog.removeAttribute("open");
    }
  }, [open]);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard closes it with Escape, which the dialog itself does.
    <dialog
      ref={element}
      className={className ? `cm-dialog ${className}` : "cm-dialog"}
      data-side={side}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (
          event.target === event.currentTarget &&
          isBeside(event.currentTarget, event.clientX, event.clientY)
        ) {
          onClose();
        }
      }}
    >
      {open ? (
        <>
          <div className="cm-dialog-head">
            <h2 id={titleId}>{title}</h2>
            <Button variant="plain" className="cm-dialog-close" aria-label={t`Close`} onClick={onClose}>
              <span aria-hidden="true">✕</span>
            </Button>
          </div>
          {children}
          {actions ? <div className="cm-dialog-actions">{actions}</div> : null}
        </>
      ) : null}
    </dialog>
  );
}

function isBeside(dialog: HTMLElement, x: number, y: number): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return x < left || x > right || y < top || y > bottom;
}

/** A dialog that comes from the edge: below on a phone, at the side on a wide screen. */
export function Drawer({ className, ...rest }: DialogProps) {
  return <Dialog {...rest} className={className ? `cm-drawer ${className}` : "cm-drawer"} />;
}
