import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { DataTable } from "@/shared/ui/table";
import { MeanCell } from "./means-table";
import { ReferenceNote } from "./notes";
import { pValue, SCORES, type ScoreName, scoreWord, setWord } from "./words";

type Comparison = Schema<"ComparisonAnswer">;
const FIRST: readonly ScoreName[] = SCORES.slice(0, 3);
const FURTHER: readonly ScoreName[] = SCORES.slice(3);
const OF_SLICES: readonly ScoreName[] = ["slice_dice", "slice_dice_all"];

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
          organs.
        </Trans>
      </p>
      <p className="cm-quiet">
        <Trans>
          p over slices: the same test over all slices on which both have a Dice, n slices. Slices of one scan
          are not independent, so this p is too small. It stands beside the p over scans because the paper
          tests slices so (Table 3), and proves nothing by itself.
        </Trans>
      </p>
      {comparison.without_slices > 0 ? <WithoutSlices count={comparison.without_slices} /> : null}
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

/** Scores of an earlier version have no slices: says so, and where they are made anew. */
function WithoutSlices({ count }: { count: number }) {
  const { projectId = "" } = useParams({ strict: false });
  return (
    <p className="cm-note">
      <Plural
        value={count}
        one="# of these scores was made by an earlier version, which kept nothing slice by slice: its scan is in no test over slices."
        other="# of these scores were made by an earlier version, which kept nothing slice by slice: their scans are in no test over slices."
      />{" "}
      <Link to="/admin/projects/$projectId/evaluations" params={{ projectId }}>
        <Trans>Evaluate again</Trans>
      </Link>
    </p>
  );
}

function ComparisonTable({ name, comparison }: { name: ScoreName; comparison: Comparison }) {
  const { t } = useLingui();
  const rows = comparison.rows.filter((row) => row.score === name);
  const isOfSlices = OF_SLICES.includes(name);
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
            {isOfSlices ? (
              <th scope="col" data-number>
                {t`p over slices`}
              </th>
            ) : null}
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
              {isOfSlices ? (
                <td data-number>
                  <SlicesCell test={row.slices} />
                </td>
              ) : null}
              <td data-number>{row.only_a + row.only_b}</td>
            </tr>
          ))}
        </tbody>
      </DataTable>
      <ReferenceNote origins={comparison.origins} outdated={comparison.outdated_references} />
    </div>
  );
}

function SlicesCell({ test }: { test: Schema<"SliceTestAnswer"> | null }) {
  if (test === null) return "–";
  const [slices, volumes] = [test.pairs, test.volumes];
  return (
    <>
      <span className="cm-nowrap">{pValue(test.p)}</span>
      <span className="cm-quiet cm-below cm-nowrap">
        <Trans>
          n = {slices} slices of {volumes} scans
        </Trans>
      </span>
    </>
  );
}
