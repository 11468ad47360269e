import type { ReactNode } from "react";

/** What stands where nothing is yet: one plain sentence, and what to do about it. */
export function EmptyState({
  title,
  action,
  children,
}: {
  title: string;
  action?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <section className="cm-empty">
      <h2>{title}</h2>
      {children}
      {action}
    </section>
  );
}
