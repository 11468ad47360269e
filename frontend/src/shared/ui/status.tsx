import type { ReactNode } from "react";

export type Tone = "plain" | "good" | "busy" | "warning" | "problem";

/** The sign says the same as the colour, for those who see no colour. */
const SIGNS: Readonly<Record<Tone, string>> = {
  plain: "○",
  good: "✓",
  busy: "◐",
  warning: "!",
  problem: "✕",
};

/** A state in a word or two. */
export function Status({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className="cm-status" data-tone={tone}>
      <span aria-hidden="true">{SIGNS[tone]}</span> {children}
    </span>
  );
}
