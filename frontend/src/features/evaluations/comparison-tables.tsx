import { Trans, useLingui } from "@lingui/react/macro";
import type { Schema } from "@/api/queries";
import { DataTable } from "@/shared/ui/table";
import { MeanCell } from "./means-table";
import { ReferenceNote } from "./notes";
import { pValue, SCORES, type ScoreName, scoreWord, setWord } from "./words";

type Comparison = Schema<"ComparisonAnswer">;
const FIRST: readonly ScoreName[] = SCORES.slice(0, 3);
const FURTHER: readonly ScoreName[] = SCORES.slice(3);

/** Two sets of scores, a table per score: the Dice scores at once, the others on demand. */
export function ComparisonTables({ comparison }: { comparison: Comparison }) {
  return (
    <>
      {FIRST.map((name) => (
        <ComparisonTable key={name} name={name} comparison={comparison} />
      ))}
      <p className="cm-quiet">
        <Trans>
          Scans are matched, and only those with a score in both sets count. p: two-sided Wilcoxon signed-rank
          test over the pairs, those without a difference dropped. p (Holm) is corrected for the number of
          organs. Slices of one scan are not independent, so the tests are over scans, not over slices.
        </Trans>
      </p>
      <details>
        <summary>
          <Trans>Further scores</Trans>
        </summary>
        <div className="cm-stack">
          {FURTHER.map((name) => (
            <ComparisonTable key={name} name={name} comparison={comparison} />
          ))}
        </div>
      </details>
    </>
  );
}

function ComparisonTable({ name, comparison }: { name: ScoreName; comparison: Comparison }) {
  const { t } = useLingui();
  const rows = comparison.rows.filter((row) => row.score === name);
  return (
    <div>
      <DataTable caption={scoreWord(name)} showCaption>
        <thead>
          <tr>
            <th scope="col">{t`Organ`}</th>
            <th scope="col" data-number>
              {setWord(comparison.a)}
            </th>
            <th scope="col" data-number>
              {setWord(comparison.b)}
            </th>
            <th scope="col" data-number>
              {t`Pairs`}
            </th>
            <th scope="col" data-number>
              p
            </th>
            <th scope="col" data-number>
              {t`p (Holm)`}
            </th>
            <th scope="col" data-number>
              {t`Scans in one set only`}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label_name ?? ""}>
              <th scope="row">{row.label_name ?? t`Mean of the organs`}</th>
              <td data-number>
                <MeanCell name={name} mean={row.a} />
              </td>
              <td data-number>
                <MeanCell name={name} mean={row.b} />
              </td>
              <td data-number>{row.pairs}</td>
              <td data-number>{pValue(row.p)}</td>
              <td data-number>{pValue(row.p_holm)}</td>
              <td data-number>{row.only_a + row.only_b}</td>
            </tr>
          ))}
        </tbody>
      </DataTable>
      <ReferenceNote origins={comparison.origins} />
    </div>
  );
}
