import { Plural, Trans } from "@lingui/react/macro";
import type { Schema } from "@/api/queries";
import { originWord } from "@/shared/texts/origins";

/** Stands under every table of scores: who made what they were measured with, and what they do not show. */
export function ReferenceNote({
  origins,
  outdated = 0,
}: {
  origins: readonly Schema<"ReferenceOrigin">[];
  /** Scans with a score of a reference that was replaced or deleted since. */
  outdated?: number;
}) {
  const words = origins.map(originWord).join(", ");
  return (
    <p className="cm-quiet">
      {outdated > 0 ? (
        <strong>
          <Plural
            value={outdated}
            one="In # scan the predictions were compared with a reference that was replaced or deleted since: the one that the dataset was made with."
            other="In # scans the predictions were compared with references that were replaced or deleted since: those that the dataset was made with."
          />
        </strong>
      ) : null}{" "}
      {origins.length > 0 ? <Trans>Reference: {words}.</Trans> : null}{" "}
      <Trans>
        LiteMedSAM may have been trained on public CT of the abdomen: an absolute Dice on such scans says
        nothing about new ones. Differences on the same scans do.
      </Trans>
    </p>
  );
}

/** What each score is, and when there is none. */
export function Definitions() {
  return (
    <details>
      <summary>
        <Trans>How the scores are defined</Trans>
      </summary>
      <ul>
        <li>
          <Trans>
            Dice of the volume: all voxels of the scan together. 1 is the same, 0 nothing in common.
          </Trans>
        </li>
        <li>
          <Trans>
            Mean Dice of slices with a mask: slices on which the mask has something; a slice that was missed
            does not count.
          </Trans>
        </li>
        <li>
          <Trans>
            Mean Dice of slices of either: slices on which the mask or the reference has something, so a slice
            that was missed counts 0.
          </Trans>
        </li>
        <li>
          <Trans>
            Distance, 95 %: of the distances between the two surfaces, the one that 95 of 100 stay below.
            Surface within 2 mm: share of both surfaces that is no farther from the other.
          </Trans>
        </li>
        <li>
          <Trans>Coverage: share of the reference that lies on slices on which the mask has something.</Trans>
        </li>
        <li>
          <Trans>Volume error: (mask − reference) / reference; below 0 when the mask is too small.</Trans>
        </li>
        <li>
          <Trans>
            A mean is followed by ± half of its 95 % interval (1.96 · population standard deviation / √n) and,
            in brackets, by the interval of a bootstrap with 10,000 samples. n counts scans; several masks of
            one scan are one value, their mean. A score that is not defined, as with two empty masks, is left
            out and counted.
          </Trans>
        </li>
      </ul>
    </details>
  );
}
