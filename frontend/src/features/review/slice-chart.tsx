import type { SliceScores } from "./scores";

/** A bar for each slice; a click goes there. The slider beside it does the same with the keyboard. */
export function SliceChart({
  label,
  scores,
  z,
  onGo,
}: {
  label: string;
  scores: SliceScores;
  z: number;
  onGo: (z: number) => void;
}) {
  const n = scores.length;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the slider beside it is for the keyboard.
    <svg
      className="cm-review-chart"
      viewBox={`0 0 ${n} 100`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      onClick={(event) => {
        const { left, width } = event.currentTarget.getBoundingClientRect();
        onGo(Math.min(n - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * n))));
      }}
    >
      <rect className="cm-review-here" x={z} width={1} y={0} height={100} />
      {scores.map((score, at) => {
        if (score === null) return null;
        // A 0 is seen as well.
        const height = Math.max(2, score * 100);
        return <rect key={at} x={at + 0.1} width={0.8} y={100 - height} height={height} />;
      })}
    </svg>
  );
}
