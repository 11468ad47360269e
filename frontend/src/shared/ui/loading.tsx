import { Trans } from "@lingui/react/macro";

const WIDTHS = ["60%", "92%", "85%", "70%", "88%", "76%", "90%", "64%"];

/** Grey lines where something is about to stand. */
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div role="status" className="cm-loading">
      <span className="cm-hidden">
        <Trans>Loading</Trans>
      </span>
      {WIDTHS.slice(0, lines).map((width) => (
        <div key={width} className="cm-skeleton" style={{ width }} aria-hidden="true" />
      ))}
    </div>
  );
}
