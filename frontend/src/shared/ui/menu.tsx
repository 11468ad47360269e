import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Button, type ButtonVariant } from "./button";

export interface MenuEntry {
  readonly id: string;
  readonly label: ReactNode;
  readonly onSelect: () => void;
  /** For a choice among several: the present one carries a tick. */
  readonly checked?: boolean;
  readonly disabled?: boolean;
  /** For example the key that does the same. */
  readonly hint?: ReactNode;
}

export interface MenuProps {
  readonly label: ReactNode;
  /** Needed where `label` is a picture. */
  readonly ariaLabel?: string;
  readonly entries: readonly MenuEntry[];
  readonly variant?: ButtonVariant;
  readonly placement?: "down" | "up";
  readonly className?: string;
}

/** A menu button after the ARIA pattern: arrows, Home, End, first letters, Escape, Tab. */
export function Menu({ label, ariaLabel, entries, variant, placement = "down", className }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const listId = useId();

  function items(): HTMLElement[] {
    return [...(root.current?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])];
  }
  function close(giveFocusBack: boolean): void {
    setOpen(false);
    if (giveFocusBack) root.current?.querySelector<HTMLElement>("button")?.focus();
  }

  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>('[role^="menuitem"]')?.focus();
    function outside(event: PointerEvent): void {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    }
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  function onKeyDown(event: KeyboardEvent): void {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const go = (index: number): void => {
      event.preventDefault();
      event.stopPropagation();
      all[(index + all.length) % all.length]?.focus();
    };
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at < 0 ? -1 : at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key === "Tab") close(false);
    else if (event.key.length === 1 && /\S/.test(event.key)) {
      const letter = event.key.toLowerCase();
      const found = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((item) =>
        item.textContent?.toLowerCase().startsWith(letter),
      );
      // Letters are shortcuts of the workspace: not while its menu is open.
      event.stopPropagation();
      found?.focus();
    }
  }

  return (
    <div className={className ? `cm-menu ${className}` : "cm-menu"} ref={root}>
      <Button
        {...(variant ? { variant } : {})}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? listId : undefined}
        aria-label={ariaLabel}
        onClick={() => setOpen(!open)}
      >
        {label}
      </Button>
      {open ? (
        <div
          id={listId}
          className="cm-menu-list"
          role="menu"
          tabIndex={-1}
          data-placement={placement}
          onKeyDown={onKeyDown}
        >
          {entries.map((entry) => {
            const shared = {
              type: "button" as const,
              tabIndex: -1,
              className: "cm-menu-item",
              "aria-disabled": entry.disabled || undefined,
              onClick: () => {
                if (entry.disabled) return;
                close(true);
                entry.onSelect();
              },
            };
            const content = (
              <>
                <span>{entry.label}</span>
                {entry.hint ? <span className="cm-quiet">{entry.hint}</span> : null}
              </>
            );
            return entry.checked === undefined ? (
              <button key={entry.id} {...shared} role="menuitem">
                {content}
              </button>
            ) : (
              <button key={entry.id} {...shared} role="menuitemradio" aria-checked={entry.checked}>
                {content}
              </button>
            );
          })}
        </div>
      ) : null}
    </div>
  );
}
