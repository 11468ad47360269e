import { useLingui } from "@lingui/react/macro";

/** One line: a value for each epoch, null where there is none. */
export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

const WIDTH = 420; // as narrow as a phone, where the letters are to be read
const HEIGHT = 190;
const LEFT = 48;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 28;

/** The dashes say the same as the colours, for those who see no colour. */
const STROKES = [
  { stroke: "var(--cm-accent)", dash: undefined },
  { stroke: "var(--cm-danger)", dash: "7 4" },
  { stroke: "var(--cm-good)", dash: "2 4" },
  { stroke: "var(--cm-text-quiet)", dash: "10 3 2 3" },
] as const;

function strokeOf(index: number) {
  return STROKES[index % STROKES.length] ?? STROKES[0];
}

function defined(series: readonly Series[]): number[] {
  return series.flatMap((one) => one.values.filter((value) => value !== null));
}

/** The pieces of a line between the values that are there, as a path. */
export function pathOf(
  values: readonly (number | null)[],
  x: (epoch: number) => number,
  y: (value: number) => number,
): string {
  let isDown = false;
  return values
    .map((value, epoch) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const [from, to] = [x(epoch).toFixed(1), y(value).toFixed(1)];
      // A dot where a line has no neighbour to go to.
      const piece = isDown ? `L${from} ${to}` : `M${from} ${to}l0 0`;
      isDown = true;
      return piece;
    })
    .join("");
}

/** Lines over epochs, with their names and last values. Nothing is drawn by a library: it is two axes and some paths. */
export function Curve({
  title,
  series,
  limits,
}: {
  title: string;
  series: readonly Series[];
  /** Of the values; taken from them when it is not given. */
  limits?: readonly [number, number];
}) {
  const { t } = useLingui();
  const values = defined(series);
  const epochs = Math.max(...series.map((one) => one.values.length), 0);
  if (values.length === 0) return null;
  const [low, high] = limits ?? [Math.min(...values), Math.max(...values)];
  const span = high > low ? high - low : 1;
  const x = (epoch: number) => LEFT + (epoch / Math.max(epochs - 1, 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => TOP + ((high - value) / span) * (HEIGHT - TOP - BOTTOM);
  const ticks = [low, low + span / 2, low + span];
  return (
    <figure className="cm-curve">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={t`${title}, over ${epochs} epochs`}>
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(tick)} y2={y(tick)} stroke="var(--cm-edge-soft)" />
            <text x={LEFT - 6} y={y(tick) + 4} textAnchor="end">
              {tick.toFixed(2)}
            </text>
          </g>
        ))}
        <text x={LEFT} y={HEIGHT - 8}>
          0
        </text>
        <text x={WIDTH - RIGHT} y={HEIGHT - 8} textAnchor="end">
          {t`epoch ${epochs - 1}`}
        </text>
        {series.map((one, index) => {
          const { stroke, dash } = strokeOf(index);
          return (
            <path
              key={one.name}
              d={pathOf(one.values, x, y)}
              fill="none"
              stroke={stroke}
              strokeWidth={2}
              strokeLinecap="round"
              strokeDasharray={dash}
            />
          );
        })}
      </svg>
      <ul className="cm-curve-names">
        {series.map((one, index) => {
          const { stroke, dash } = strokeOf(index);
          return (
            <li key={one.name}>
              <svg viewBox="0 0 32 8" width="32" height="8" aria-hidden="true">
                <path d="M0 4h32" stroke={stroke} strokeWidth={2} strokeDasharray={dash} />
              </svg>{" "}
              {one.name}: {one.values.at(-1)?.toFixed(3) ?? "–"}
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
