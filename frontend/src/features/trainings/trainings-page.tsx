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
import { datasetsQuery, goesOn, trainingsQuery } from "./queries";
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
        {trainings.data && trainings.data.length > 0 ? (
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
              {trainings.data.map((one) => (
                <TrainingRow
                  key={one.id}
                  projectId={projectId}
                  training={one}
                  twin={trainings.data.find((other) => other.id !== one.id && isTwin(one, other))}
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

/** The other side of a comparison, when both have scores: trained in the same way on other labels. */
function isTwin(one: Training, other: Training): boolean {
  const isScored = one.scored > 0 && other.scored > 0;
  if (JSON.stringify(one.settings) !== JSON.stringify(other.settings)) return false;
  return (
    isScored && one.pair_id !== null && one.pair_id === other.pair_id && one.export_id !== other.export_id
  );
}

function TrainingRow({
  projectId,
  training,
  twin,
}: {
  projectId: string;
  training: Training;
  twin: Training | undefined;
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
        {twin ? (
          <Link
            to="/admin/projects/$projectId/report"
            params={{ projectId }}
            search={{ a: `training:${training.id}`, b: `training:${twin.id}` }}
          >
            <Trans>Compare with {twin.dataset_name}</Trans>
          </Link>
        ) : null}
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
