import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { dayAndTime, percent } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { datasetsQuery, goesOn, pairsQuery, trainingQuery, trainingsQuery } from "./queries";
import { StartForm } from "./start-form";
import { TrainingDetails } from "./training-details";
import { settingsWord, trainingState } from "./words";

type Training = Schema<"TrainingAnswer">;

/** nnU-Net on the project's datasets. */
export function TrainingsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const { open } = useSearch({ strict: false });
  const datasets = useQuery(datasetsQuery(projectId));
  const trainings = useQuery(trainingsQuery(projectId));
  const opened = useQuery({
    ...trainingQuery(projectId, open ?? ""),
    enabled: open !== undefined,
  }).data?.training;
  // Asked for more often than the list: its row must not say "running" beside steps that are done.
  const rows = trainings.data?.map((one) => (one.id === opened?.id ? opened : one)) ?? [];
  const pairs = useQuery(pairsQuery(projectId)).data ?? [];
  return (
    <>
      <PageHead title={t`Trainings`}>
        <p className="cm-quiet">
          <Trans>
            nnU-Net v2 learns from a dataset, fold by fold, and its predictions for the dataset's test scans
            are compared with their references. What is stopped or fails goes on from its last checkpoint.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        {datasets.isPending ? <Loading lines={3} /> : null}
        <ProblemNote error={datasets.error ?? trainings.error} />
        {datasets.data?.length === 0 ? (
          <EmptyState title={t`No dataset is written yet`}>
            <Link to="/admin/projects/$projectId/datasets" params={{ projectId }}>
              <Trans>To the datasets</Trans>
            </Link>
          </EmptyState>
        ) : null}
        {datasets.data && datasets.data.length > 0 ? (
          <section className="cm-card" aria-label={t`New training`}>
            <h2>
              <Trans>New training</Trans>
            </h2>
            <StartForm projectId={projectId} datasets={datasets.data} />
          </section>
        ) : null}
        {rows.length > 0 ? (
          <DataTable caption={t`Trainings, the newest first`}>
            <thead>
              <tr>
                <th scope="col">{t`Training`}</th>
                <th scope="col">{t`State`}</th>
                <th scope="col">{t`Dataset`}</th>
                <th scope="col">{t`Started`}</th>
                <th scope="col">{t`Actions`}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => (
                <TrainingRow
                  key={one.id}
                  projectId={projectId}
                  training={one}
                  others={comparedWith(one, rows, pairs)}
                />
              ))}
            </tbody>
          </DataTable>
        ) : null}
        {open === undefined ? null : <TrainingDetails key={open} projectId={projectId} trainingId={open} />}
      </div>
    </>
  );
}

/** What a training with scores can be compared with: the newest one of each dataset of a pair, trained in the same way. */
function comparedWith(
  one: Training,
  trainings: readonly Training[],
  pairs: readonly Schema<"DatasetPair">[],
): Training[] {
  const alike = trainings.filter(
    (other) =>
      one.scored > 0 &&
      other.scored > 0 &&
      JSON.stringify(other.settings) === JSON.stringify(one.settings) &&
      pairs.some(
        ({ export_id: a, other_id: b }) =>
          (a === one.export_id && b === other.export_id) || (b === one.export_id && a === other.export_id),
      ),
  );
  return alike.filter((other, n) => alike.findIndex(({ export_id }) => export_id === other.export_id) === n);
}

function TrainingRow({
  projectId,
  training,
  others,
}: {
  projectId: string;
  training: Training;
  others: readonly Training[];
}) {
  const { t } = useLingui();
  const { words, tone } = trainingState(training.state);
  const { name } = training;
  return (
    <tr>
      <th scope="row" className="cm-break">
        <Link to="/admin/projects/$projectId/trainings" params={{ projectId }} search={{ open: training.id }}>
          {name}
        </Link>
        <div className="cm-quiet">{settingsWord(training.settings)}</div>
      </th>
      <td className="cm-share">
        <Status tone={tone}>{words}</Status>
        {goesOn(training.state) ? (
          <ProgressBar
            label={t`Progress of ${name}`}
            value={Math.round(training.progress * 100)}
            max={100}
            valueText={percent(training.progress)}
          />
        ) : null}
        {training.error !== null ? <div className="cm-break">{training.error}</div> : null}
      </td>
      <td className="cm-break">
        {training.dataset_name}
        <div className="cm-quiet">
          <Trans>version {training.dataset_version}</Trans>
        </div>
      </td>
      <td>
        {dayAndTime(training.created_at)}
        <div className="cm-quiet">{training.created_by}</div>
      </td>
      <td>
        <Actions projectId={projectId} training={training} />
        {others.map((other) => (
          <div key={other.id}>
            <Link
              to="/admin/projects/$projectId/report"
              params={{ projectId }}
              search={{ a: `training:${training.id}`, b: `training:${other.id}` }}
            >
              <Trans>
                Compare with {other.dataset_name}, version {other.dataset_version}
              </Trans>
            </Link>
          </div>
        ))}
      </td>
    </tr>
  );
}

function Actions({ projectId, training }: { projectId: string; training: Training }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const params = { path: { training_id: training.id } };
  const onSuccess = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId, "trainings") });
  const cancel = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/trainings/{training_id}/cancel", { params })),
    onSuccess,
  });
  const resume = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/trainings/{training_id}/resume", { params })),
    onSuccess,
  });
  const { name } = training;
  return (
    <>
      {goesOn(training.state) ? (
        <Button
          size="small"
          busy={cancel.isPending}
          aria-label={t`Stop ${name}`}
          onClick={() => cancel.mutate()}
        >
          <Trans>Stop</Trans>
        </Button>
      ) : null}
      {training.state === "failed" || training.state === "cancelled" ? (
        <Button
          size="small"
          busy={resume.isPending}
          aria-label={t`Resume ${name}`}
          onClick={() => resume.mutate()}
        >
          <Trans>Resume</Trans>
        </Button>
      ) : null}
      <ProblemNote error={cancel.error ?? resume.error} />
    </>
  );
}
