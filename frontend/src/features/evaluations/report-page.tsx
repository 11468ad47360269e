import { plural } from "@lingui/core/macro";
import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { skipToken, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { LinkButton } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ComparisonTables } from "./comparison-tables";
import { MeansTable } from "./means-table";
import { Definitions, ReferenceNote } from "./notes";
import { BoxPlots, reportAddress, VolumePlot } from "./plots";
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
    const next = { a, b, ...change };
    void navigate({
      to: "/admin/projects/$projectId/report",
      params: { projectId },
      search: { a: next.a, ...(next.b === "" ? {} : { b: next.b }) },
      replace: true,
    });
  };
  const choices = (sets.data ?? []).map((set) => {
    const [word, scores] = [setWord(set), set.scores];
    const count = plural(scores, { one: "# score", other: "# scores" });
    return { value: set.key, label: t`${word} (${count})` };
  });
  const chosen = { projectId, a, b: comparison.data ? b : "" };
  const isEmpty = summary.data?.means.length === 0;

  return (
    <>
      <PageHead
        title={t`Report`}
        actions={
          summary.data && !isEmpty ? (
            <>
              <LinkButton variant="primary" href={reportAddress(chosen, "report")} download>
                <Trans>Download the report</Trans>
              </LinkButton>
              <LinkButton
                variant="secondary"
                href={`/api/v1/projects/${projectId}/evaluations/scores?of=${encodeURIComponent(a)}`}
                download
              >
                <Trans>Download all scores as CSV</Trans>
              </LinkButton>
              <LinkButton
                variant="secondary"
                href={`/api/v1/projects/${projectId}/evaluations/slices?of=${encodeURIComponent(a)}`}
                download
              >
                <Trans>Download all slices as CSV</Trans>
              </LinkButton>
              {comparison.data ? (
                <LinkButton variant="secondary" href={reportAddress(chosen, "comparison/table")} download>
                  <Trans>Download the comparison as CSV</Trans>
                </LinkButton>
              ) : null}
            </>
          ) : null
        }
      >
        <p className="cm-quiet">
          <Trans>
            What the scores of masks, or of a training's predictions, come to; and whether two sets of them
            differ. The report is one HTML file; print it to make a PDF.
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
            <ReferenceNote origins={summary.data.origins} outdated={summary.data.outdated_references} />
          </div>
          <BoxPlots chosen={chosen} />
          <VolumeTable summary={summary.data} />
          <VolumePlot chosen={chosen} />
          <WorstTable summary={summary.data} />
          <Definitions />
        </div>
      ) : null}
    </>
  );
}
