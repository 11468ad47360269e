import type { ReactNode } from "react";

/** A table that scrolls sideways inside itself on a narrow screen, with the keyboard too. */
export function DataTable({
  caption,
  showCaption = false,
  children,
}: {
  caption: string;
  /** The caption is always read out. */
  showCaption?: boolean;
  children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would say something else; the region is there to be scrolled.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
    <div className="cm-table-frame" role="group" aria-label={caption} tabIndex={0}>
      <table className="cm-table">
        <caption className={showCaption ? undefined : "cm-hidden"}>{caption}</caption>
        {children}
      </table>
    </div>
  );
}
