export interface ProgressBarProps {
  /** What it counts, read out. */
  readonly label: string;
  readonly value: number;
  readonly max: number;
  /** Said instead of a percentage, for example "12 of 40 slices". */
  readonly valueText?: string;
}

export function ProgressBar({ label, value, max, valueText }: ProgressBarProps) {
  const share = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
  return (
    <div
      className="cm-progress"
      role="progressbar"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuetext={valueText}
    >
      <div className="cm-progress-bar" style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}
