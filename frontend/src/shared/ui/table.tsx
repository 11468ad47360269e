import type { ReactNode } from "react";
import { Wide } from "./wide";

/** A table, as wide as it needs. */
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
    <Wide label={caption} className="cm-table-frame">
      <table className="cm-table">
        <caption className={showCaption ? undefined : "cm-hidden"}>{caption}</caption>
        {children}
      </table>
    </Wide>
  );
}
