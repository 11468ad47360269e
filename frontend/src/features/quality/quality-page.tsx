import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api, unwrap } from "@/api/client";
import { projectKey } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { MeansTable, PairsTable } from "./agreement-tables";

/** How far people agree who have submitted the same task. */
export function QualityPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const queryClient = useQueryClient();
  const key = projectKey(projectId, "agreement");
  const params = { path: { project_id: projectId } };
  const agreement = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/projects/{project_id}/agreement", { params, signal })),
  });
  const compare = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/projects/{project_id}/agreement", { params })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: key }),
  });
  const answer = agreement.data;

  return (
    <>
      <PageHead
        title={t`Agreement`}
        actions={
          answer ? (
            <Button
              variant="primary"
              disabled={answer.pending === 0}
              busy={compare.isPending}
              onClick={() => compare.mutate()}
            >
              <Trans>Compare new masks</Trans>
            </Button>
          ) : null
        }
      >
        <p className="cm-quiet">
          <Trans>
            Where two or more people have submitted the same task: how alike their boxes and masks are. People
            who agree may still both be wrong.
          </Trans>
        </p>
      </PageHead>
      {agreement.isPending ? <Loading /> : null}
      <ProblemNote error={agreement.error ?? compare.error} />
      {answer ? (
        <div className="cm-stack">
          <p aria-live="polite">
            {answer.tasks_alone > 0 ? (
              <Plural
                value={answer.tasks_alone}
                one="# task has the work of one person only, so nothing is known of it."
                other="# tasks have the work of one person only, so nothing is known of them."
              />
            ) : null}{" "}
            {answer.rows.length > 0 ? (
              <Plural
                value={answer.pending}
                _0="No masks wait to be compared."
                one="The masks of # pair are not compared yet."
                other="The masks of # pairs are not compared yet."
              />
            ) : null}
          </p>
          {answer.rows.length === 0 ? (
            <EmptyState title={t`Nobody to compare yet`}>
              <p>
                <Trans>
                  Give a task to more than one person (People per task, in the settings or when handing out).
                </Trans>
              </p>
            </EmptyState>
          ) : (
            <>
              <MeansTable caption={t`Means for each organ`} heading={t`Organ`} means={answer.labels} />
              <MeansTable
                caption={t`Each person against the others`}
                heading={t`Person`}
                means={answer.people}
              />
              <PairsTable rows={answer.rows} />
              <Definitions />
            </>
          )}
        </div>
      ) : null}
    </>
  );
}

function Definitions() {
  return (
    <dl className="cm-quiet">
      <dt>
        <Trans>Boxes alike</Trans>
      </dt>
      <dd>
        <Trans>
          What the boxes of both share, of all that they cover: the mean over the slices on which both have
          boxes, 0 to 1.
        </Trans>
      </dd>
      <dt>
        <Trans>Same slices</Trans>
      </dt>
      <dd>
        <Trans>
          Of the slices that both have decided, the share on which both say that the organ is there, or both
          that it is not.
        </Trans>
      </dd>
      <dt>
        <Trans>Ends apart</Trans>
      </dt>
      <dd>
        <Trans>By how many slices their first and last slices differ.</Trans>
      </dd>
      <dt>
        <Trans>Dice of masks</Trans>
      </dt>
      <dd>
        <Trans>
          Of the masks made from their boxes: 1 is the same, 0 has nothing in common. A dash: undefined, or
          not compared yet. In brackets: of how many pairs the mean is, where it is not of all.
        </Trans>
      </dd>
    </dl>
  );
}
