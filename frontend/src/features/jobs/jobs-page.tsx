import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { BY_CURSOR } from "@/api/pages";
import { projectKey, type Schema } from "@/api/queries";
import { dayAndTime, percent } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { EmptyState } from "@/shared/ui/empty-state";
import { LoadMore } from "@/shared/ui/load-more";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { jobKind, jobState } from "./words";

type Job = Schema<"JobAnswer">;
type State = Schema<"JobState">;
const STATES: readonly State[] = ["queued", "running", "done", "dead", "cancelled"];

/** What the server's workers do and did, live. */
export function JobsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const queryClient = useQueryClient();
  const [state, setState] = useState<State | "">("");
  const [asked, setAsked] = useState<Job | null>(null);
  const jobs = useInfiniteQuery({
    queryKey: projectKey(projectId, "jobs", state),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/jobs", {
          params: {
            path: { project_id: projectId },
            query: { state: state === "" ? [] : [state], limit: 50, cursor: pageParam },
          },
          signal,
        }),
      ),
    ...BY_CURSOR,
  });
  const refresh = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
  const retry = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.POST("/api/v1/jobs/{job_id}/retry", { params: { path: { job_id: id } } })),
    onSuccess: refresh,
  });
  const cancel = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSuccess: refresh,
  });
  const all = jobs.data?.pages.flatMap((page) => page.items) ?? [];

  return (
    <>
      <PageHead title={t`Jobs`}>
        <p className="cm-quiet">
          <Trans>
            What the server does by itself: reading scans, making masks, writing datasets, evaluating.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        <NativeSelect
          label={t`Show`}
          maw="16rem"
          value={state}
          onChange={(event) => setState(event.currentTarget.value as State | "")}
          data={[
            { value: "", label: t`All jobs` },
            ...STATES.map((one) => ({ value: one, label: jobState(one).words })),
          ]}
        />
        {jobs.isPending ? <Loading /> : null}
        <ProblemNote error={jobs.error ?? retry.error} />
        {jobs.isSuccess && all.length === 0 ? (
          <EmptyState title={state === "" ? t`No jobs yet` : t`No job is like that`}>
            <p>
              <Trans>Jobs appear when scans are uploaded and when work is submitted.</Trans>
            </p>
          </EmptyState>
        ) : null}
        {all.length > 0 ? (
          <DataTable caption={t`Jobs, the newest first`}>
            <thead>
              <tr>
                <th scope="col">{t`Job`}</th>
                <th scope="col">{t`State`}</th>
                <th scope="col">{t`Progress`}</th>
                <th scope="col">{t`Made`}</th>
                <th scope="col">{t`Ended`}</th>
                <th scope="col">{t`Actions`}</th>
              </tr>
            </thead>
            <tbody>
              {all.map((job) => (
                <JobRow
                  key={job.id}
                  job={job}
                  isRetrying={retry.isPending && retry.variables === job.id}
                  onRetry={() => retry.mutate(job.id)}
                  onCancel={() => {
                    cancel.reset();
                    setAsked(job);
                  }}
                />
              ))}
            </tbody>
          </DataTable>
        ) : null}
        <LoadMore list={jobs} />
      </div>
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => asked !== null && cancel.mutate(asked.id, { onSuccess: () => setAsked(null) })}
        title={t`Stop this job?`}
        confirmLabel={t`Stop the job`}
        busy={cancel.isPending}
        error={cancel.error}
      >
        <p>{asked?.subject}</p>
        <p>
          <Trans>It can be tried again later.</Trans>
        </p>
      </Confirm>
    </>
  );
}

function JobRow({
  job,
  isRetrying,
  onRetry,
  onCancel,
}: {
  job: Job;
  isRetrying: boolean;
  onRetry: () => void;
  onCancel: () => void;
}) {
  const { t } = useLingui();
  const { words, tone } = jobState(job.state);
  const isOver = job.state === "dead" || job.state === "cancelled";
  const name = `${jobKind(job.kind)}: ${job.subject}`;
  return (
    <tr>
      <th scope="row" className="cm-break">
        {jobKind(job.kind)}
        <div className="cm-quiet">{job.subject}</div>
      </th>
      <td>
        <Status tone={tone}>{words}</Status>
        {job.attempt > 1 ? (
          <div className="cm-quiet">
            <Trans>attempt {job.attempt}</Trans>
          </div>
        ) : null}
        {job.error_text !== null ? <div className="cm-break">{job.error_text}</div> : null}
      </td>
      <td className="cm-share">
        {job.state === "running" ? (
          <>
            <span>{percent(job.progress)}</span>
            <ProgressBar
              label={t`Progress of ${name}`}
              value={Math.round(job.progress * 100)}
              max={100}
              valueText={percent(job.progress)}
            />
          </>
        ) : null}
      </td>
      <td>{dayAndTime(job.created_at)}</td>
      <td>{job.finished_at === null ? "" : dayAndTime(job.finished_at)}</td>
      <td>
        {isOver ? (
          <Button size="small" busy={isRetrying} aria-label={t`Try again: ${name}`} onClick={onRetry}>
            <Trans>Try again</Trans>
          </Button>
        ) : job.state !== "done" ? (
          <Button size="small" aria-label={t`Stop: ${name}`} onClick={onCancel}>
            <Trans>Stop</Trans>
          </Button>
        ) : null}
      </td>
    </tr>
  );
}
