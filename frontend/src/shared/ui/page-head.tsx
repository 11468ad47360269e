import { type ReactNode, useEffect } from "react";

/** The heading of a page, its name in the browser's tab, and what can be done on the whole page. */
export function PageHead({
  title,
  actions,
  children,
}: {
  title: string;
  actions?: ReactNode;
  children?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Crowdmask`;
  }, [title]);
  return (
    <div className="cm-head">
      <div className="cm-head-words">
        <h1>{title}</h1>
        {children}
      </div>
      {actions ? <div className="cm-head-actions">{actions}</div> : null}
    </div>
  );
}
