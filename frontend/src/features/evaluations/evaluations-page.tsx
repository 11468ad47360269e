import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { api, unwrap } from "@/api/client";
import { projectKey } from "@/api/queries";
import { Button, LinkButton } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { MeansTable } from "./means-table";
import { Definitions, ReferenceNote } from "./notes";
import { ScoreTable } from "./score-table";

/** How masks agree with the references that came with the scans. */
export function EvaluationsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const queryClient = useQueryClient();
  const key = projectKey(projectId, "evaluations");
  const params = { path: { project_id: projectId } };
  const evaluation = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/projects/{project_id}/evaluations", { params, signal })),
  });
  const evaluate = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/projects/{project_id}/evaluations", { params })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: key }),
  });
  const answer = evaluation.data;

  return (
    <>
      <PageHead
        title={t`Evaluations`}
        actions={
          answer ? (
            <Button
              variant="primary"
              disabled={answer.pending + answer.without_slices === 0}
              busy={evaluate.isPending}
              onClick={() => evaluate.mutate()}
            >
              {answer.pending === 0 && answer.without_slices > 0 ? (
                <Trans>Evaluate again</Trans>
              ) : (
                <Trans>Evaluate new masks</Trans>
              )}
            </Button>
          ) : null
        }
      >
        <p className="cm-quiet">
          <Trans>
            Masks made from people's boxes, compared with the reference of the same scan. Dice: 1 is the same,
            0 has nothing in common. Who made a reference is said beside each number; a reference made by a
            model is no proof.
          </Trans>
        </p>
      </PageHead>
      {evaluation.isPending ? <Loading /> : null}
      <ProblemNote error={evaluation.error ?? evaluate.error} />
      {answer ? (
        <div className="cm-stack">
          <p aria-live="polite">
            {answer.pending > 0 ? (
              <Plural
                value={answer.pending}
                one="# mask is not evaluated yet."
                other="# masks are not evaluated yet."
              />
            ) : answer.rows.length > 0 ? (
              <Trans>All masks that have a reference are evaluated.</Trans>
            ) : null}{" "}
            {answer.without_reference > 0 ? (
              <Plural
                value={answer.without_reference}
                one="# mask has no reference to compare with."
                other="# masks have no reference to compare with."
              />
            ) : null}
          </p>
          {answer.without_slices > 0 ? (
            <p className="cm-note">
              <Plural
                value={answer.without_slices}
                one="# score was made by an earlier version, which kept nothing slice by slice. Evaluate again, and comparisons have a test over slices too; the score stays the same."
                other="# scores were made by an earlier version, which kept nothing slice by slice. Evaluate again, and comparisons have a test over slices too; the scores stay the same."
              />
            </p>
          ) : null}
          {evaluate.data && answer.pending + answer.without_slices > 0 ? (
            <p className="cm-note" role="status">
              <Plural
                value={evaluate.data.jobs}
                one="# evaluation is under way; this page fills by itself."
                other="# evaluations are under way; this page fills by itself."
              />
            </p>
          ) : null}
          {answer.rows.length === 0 ? (
            <EmptyState title={t`Nothing to compare yet`}>
              <p>
                <Trans>
                  It takes a mask, and a reference of the same scan. References are uploaded on the page Scans
                  by an admin of the project.
                </Trans>
              </p>
              <Link to="/admin/projects/$projectId/masks" params={{ projectId }}>
                <Trans>See the masks</Trans>
              </Link>
            </EmptyState>
          ) : (
            <>
              {answer.means.length > 0 ? (
                <div>
                  <MeansTable means={answer.means} />
                  <ReferenceNote origins={answer.origins} />
                  <div className="cm-row">
                    <LinkButton
                      variant="secondary"
                      href={`/api/v1/projects/${projectId}/evaluations/table`}
                      download
                    >
                      <Trans>Download Dice per scan as CSV</Trans>
                    </LinkButton>
                    <LinkButton
                      variant="secondary"
                      href={`/api/v1/projects/${projectId}/evaluations/slices`}
                      download
                    >
                      <Trans>Download Dice per slice as CSV</Trans>
                    </LinkButton>
                  </div>
                </div>
              ) : null}
              <div>
                <ScoreTable rows={answer.rows} />
                <ReferenceNote origins={answer.origins} />
              </div>
              <Definitions />
            </>
          )}
        </div>
      ) : null}
    </>
  );
}
