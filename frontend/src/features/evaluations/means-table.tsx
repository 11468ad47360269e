import { Plural, Trans, useLingui } from "@lingui/react/macro";
import type { Schema } from "@/api/queries";
import { DataTable } from "@/shared/ui/table";
import { SCORES, type ScoreName, scoreValue, scoreWord } from "./words";

/** The means of every score, a row per organ. */
export function MeansTable({ means }: { means: readonly Schema<"LabelMeans">[] }) {
  const { t } = useLingui();
  return (
    <DataTable caption={t`Means for each organ, with 95 % intervals`} showCaption>
      <thead>
        <tr>
          <th scope="col">{t`Organ`}</th>
          {SCORES.map((name) => (
            <th key={name} scope="col" data-number>
              {scoreWord(name)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {means.map((label) => (
          <tr key={`${label.label_index} ${label.label_name}`}>
            <th scope="row">
              {label.label_index} {label.label_name}
            </th>
            {SCORES.map((name) => (
              <td key={name} data-number>
                <MeanCell name={name} mean={label[name]} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
}

/** Mean ± interval, the bootstrap's interval, and how many values that rests on; one value alone has no interval. */
export function MeanCell({ name, mean }: { name: ScoreName; mean: Schema<"ScoreMean"> }) {
  const [low, high] = [scoreValue(name, mean.low), scoreValue(name, mean.high)];
  const value = mean.mean === null ? "–" : scoreValue(name, mean.mean);
  return (
    <>
      <span className="cm-nowrap">{mean.n < 2 ? value : `${value} ± ${scoreValue(name, mean.ci)}`}</span>
      <span className="cm-quiet cm-below">
        {mean.n < 2 ? null : <span className="cm-nowrap">{`[${low}, ${high}]`}</span>}{" "}
        <span className="cm-nowrap">
          <Trans>n = {mean.n}</Trans>
          {mean.undefined > 0 ? (
            <>
              {", "}
              <Plural value={mean.undefined} one="# undefined" other="# undefined" />
            </>
          ) : null}
        </span>
      </span>
    </>
  );
}
