import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { skipToken, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ComparisonTables } from "./comparison-tables";
import { MeansTable } from "./means-table";
import { Definitions, ReferenceNote } from "./notes";
import { comparisonQuery, scoreSetsQuery, summaryQuery } from "./queries";
import { VolumeTable, WorstTable } from "./summary-tables";
import { setWord } from "./words";

const ALL = "masks";

/** What the scores come to: one set of them, or two side by side. */
export function ReportPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const { a = ALL, b = "" } = useSearch({ strict: false });
  const navigate = useNavigate();
  const sets = useQuery(scoreSetsQuery(projectId));
  const summary = useQuery(summaryQuery(projectId, a));
  const comparison = useQuery({
    ...comparisonQuery(projectId, a, b),
    ...(b === "" ? { queryFn: skipToken } : {}),
  });
  const choose = (change: { a?: string; b?: string }) => {
    const chosen = { a, b, ...change };
    void navigate({
      to: "/admin/projects/$projectId/report",
      params: { projectId },
      search: { a: chosen.a, ...(chosen.b === "" ? {} : { b: chosen.b }) },
      replace: true,
    });
  };
  const choices = (sets.data ?? []).map((set) => {
    const [word, scores] = [setWord(set), set.scores];
    return { value: set.key, label: t`${word} (${scores} scores)` };
  });
  const isEmpty = summary.data?.means.length === 0;

  return (
    <>
      <PageHead title={t`Report`}>
        <p className="cm-quiet">
          <Trans>
            What the scores of masks, or of a training's predictions, come to; and whether two sets of them
            differ.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-row cm-filters" data-align="end">
        <NativeSelect
          label={t`Scores of`}
          data={choices}
          value={a}
          onChange={(event) => choose({ a: event.currentTarget.value })}
        />
        <NativeSelect
          label={t`Compared with`}
          data={[{ value: "", label: t`nothing` }, ...choices]}
          value={b}
          onChange={(event) => choose({ b: event.currentTarget.value })}
        />
      </div>
      {summary.isPending ? <Loading lines={8} /> : null}
      <ProblemNote error={sets.error ?? summary.error ?? comparison.error} />
      {isEmpty ? (
        <EmptyState title={t`Nothing is evaluated yet`}>
          <Link to="/admin/projects/$projectId/evaluations" params={{ projectId }}>
            <Trans>To the evaluations</Trans>
          </Link>
        </EmptyState>
      ) : null}
      {summary.data && !isEmpty ? (
        <div className="cm-stack">
          {comparison.data ? <ComparisonTables comparison={comparison.data} /> : null}
          <div>
            <h2>{setWord(summary.data.set)}</h2>
            <MeansTable means={summary.data.means} />
            <ReferenceNote origins={summary.data.origins} />
          </div>
          <VolumeTable summary={summary.data} />
          <WorstTable summary={summary.data} />
          <Definitions />
        </div>
      ) : null}
    </>
  );
}
