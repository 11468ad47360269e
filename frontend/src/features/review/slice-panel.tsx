import { Trans, useLingui } from "@lingui/react/macro";
import { score as digits, sliceNumber } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { mean, type SliceScores, worstFirst } from "./scores";
import { SliceChart } from "./slice-chart";
import { SliceSlider } from "./slice-slider";

const SHOWN = 5;

/** Through the slices, and to the worst of them. */
export function SlicePanel({
  slices,
  z,
  onGo,
  onJump,
  dice,
  against,
  estimates,
}: {
  slices: number;
  z: number;
  onGo: (z: number) => void;
  /** To a slice, and there to the organ. */
  onJump: (z: number) => void;
  /** Null when nothing is compared. */
  dice: SliceScores | null;
  /** What it is compared with. */
  against: string;
  estimates: SliceScores | null;
}) {
  const { t } = useLingui();
  const scores = dice ?? estimates;
  const worst = scores === null ? [] : worstFirst(scores);
  const average = scores === null ? null : mean(scores);
  const what = dice === null ? t`The model's own estimate` : t`Dice with ${against}`;
  return (
    <section className="cm-review-slices cm-stack" aria-label={t`Slices`}>
      <div className="cm-row" data-align="end">
        <SliceSlider slices={slices} z={z} onGo={onGo} />
        <Button
          variant="primary"
          disabled={worst.length === 0}
          onClick={() => {
            const [first] = worst;
            if (first !== undefined) onJump(first);
          }}
        >
          <Trans>Worst slice</Trans>
        </Button>
      </div>
      <p className="cm-review-said" aria-live="polite" data-testid="slice-scores">
        {dice === null ? null : (
          <>
            {t`Dice with ${against}`}: <strong>{digits(dice[z] ?? null)}</strong>
            {". "}
          </>
        )}
        {estimates === null ? null : (
          <>
            {t`The model's own estimate`}: <strong>{digits(estimates[z] ?? null)}</strong>
            {"."}
          </>
        )}
      </p>
      {scores === null ? null : (
        <>
          <SliceChart
            label={t`${what}, a bar for each slice; the average is ${digits(average)}`}
            scores={scores}
            z={z}
            onGo={onJump}
          />
          {worst.length === 0 ? null : (
            <div className="cm-row">
              <span>
                <Trans>Weakest slices:</Trans>
              </span>
              {worst.slice(0, SHOWN).map((at) => {
                const shown = sliceNumber(at);
                const value = digits(scores[at] ?? null);
                return (
                  <Button
                    key={at}
                    size="small"
                    aria-pressed={at === z}
                    aria-label={t`Slice ${shown}, ${value}`}
                    onClick={() => onJump(at)}
                  >
                    {shown} <span className="cm-quiet">{value}</span>
                  </Button>
                );
              })}
            </div>
          )}
          <p className="cm-quiet">
            {dice === null ? (
              <Trans>
                Nothing is compared, so the bars are the model's own estimate of each slice (0 to 1, its
                lowest box). It is no measurement.
              </Trans>
            ) : (
              <Trans>
                The bars are the Dice of each slice: 1 is the same, 0 has nothing in common. Slices on which
                neither has anything have no bar.
              </Trans>
            )}
          </p>
        </>
      )}
    </section>
  );
}
