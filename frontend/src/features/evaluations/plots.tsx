import { useLingui } from "@lingui/react/macro";
import { type ScoreName, scoreWord } from "./words";

const PLOTTED: readonly ScoreName[] = ["volume_dice", "slice_dice", "slice_dice_all", "hd95_mm"];

interface Chosen {
  readonly projectId: string;
  readonly a: string;
  /** Empty: nothing to compare with. */
  readonly b: string;
}

/** The address of what the server makes of the chosen sets of scores. */
export function reportAddress({ projectId, a, b }: Chosen, what: string, more: Record<string, string> = {}) {
  const query = new URLSearchParams({ a, ...(b === "" ? {} : { b }), ...more });
  return `/api/v1/projects/${projectId}/evaluations/${what}?${query.toString()}`;
}

/** How the values of the scores lie, by organ; drawn by the server, as in the report. */
export function BoxPlots({ chosen }: { chosen: Chosen }) {
  const { t } = useLingui();
  return (
    <div className="cm-plots">
      {PLOTTED.map((name) => {
        const word = scoreWord(name);
        return (
          <Plot
            key={name}
            source={reportAddress(chosen, "plots/boxes", { score: name })}
            text={t`Box plot: ${word}, by organ. The values stand in the tables.`}
          />
        );
      })}
    </div>
  );
}

/** Differences of volumes over their means, by organ. */
export function VolumePlot({ chosen }: { chosen: Chosen }) {
  const { t } = useLingui();
  return (
    <Plot
      source={reportAddress({ ...chosen, b: "" }, "plots/volumes")}
      text={t`Differences of the volumes of mask and reference over their mean, by organ. The limits stand in the table.`}
    />
  );
}

function Plot({ source, text }: { source: string; text: string }) {
  return <img className="cm-plot" src={source} alt={text} loading="lazy" />;
}
