import type { ReactNode } from "react";

/** What needs more width than a narrow screen has: it scrolls sideways inside itself, with the keyboard too. */
export function Wide({
  label,
  className,
  children,
}: {
  label: string;
  className: string;
  children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would say something else; the region is there to be scrolled.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
    <div className={`cm-wide ${className}`} role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
