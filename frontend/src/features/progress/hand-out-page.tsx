import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { membersQuery, projectQuery, type Schema, volumesQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { type HandedOut, useHandOut } from "./handing-out";
import { Matrix } from "./matrix";
import { PeopleChoice } from "./people-choice";
import { tasksQuery } from "./queries";
import { type Cell, cellOf } from "./selection";

/** Choose scans and organs, make tasks of them, give them to people. */
export function HandOutPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  const volumes = useInfiniteQuery(volumesQuery(projectId));
  const tasks = useQuery(tasksQuery(projectId));
  const members = useQuery(membersQuery(projectId));
  const handOut = useHandOut(projectId);
  const [chosen, setChosen] = useState<ReadonlySet<Cell>>(new Set());
  const [overlap, setOverlap] = useState("");
  const [people, setPeople] = useState<readonly string[]>([]);
  const [days, setDays] = useState("14");
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = volumes;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const ready = useMemo(
    () =>
      (volumes.data?.pages.flatMap((page) => page.items) ?? []).filter((volume) => volume.state === "ready"),
    [volumes.data],
  );
  const taskAt = useMemo(
    () => new Map((tasks.data ?? []).map((task) => [cellOf(task.volume_id, task.label_index), task])),
    [tasks.data],
  );
  const fresh = [...chosen].filter((cell) => !taskAt.has(cell)).length;
  const overlapNumber = overlap.trim() === "" ? null : Number(overlap);
  const isOverlapGood =
    overlapNumber === null || (Number.isInteger(overlapNumber) && overlapNumber >= 1 && overlapNumber <= 100);
  const dayNumber = Number(days);
  const areDaysGood = Number.isInteger(dayNumber) && dayNumber >= 1 && dayNumber <= 365;
  const failed = project.error ?? volumes.error ?? tasks.error ?? members.error;

  if (failed) return <ProblemNote error={failed} />;
  if (!project.data || volumes.isPending || tasks.isPending) return <Loading lines={8} />;
  if (ready.length === 0) {
    return (
      <EmptyState
        title={t`No scan is ready yet`}
        action={
          <Link
            className="cm-button"
            data-variant="primary"
            to="/admin/projects/$projectId/scans"
            params={{ projectId }}
          >
            <Trans>To the scans</Trans>
          </Link>
        }
      >
        <p>
          <Trans>A task is one organ in one scan. Upload scans first.</Trans>
        </p>
      </EmptyState>
    );
  }

  function send(accountIds: readonly string[]): void {
    handOut.mutate(
      { cells: chosen, overlap: overlapNumber, accountIds, days: dayNumber },
      { onSuccess: () => setChosen(new Set()) },
    );
  }

  return (
    <>
      <PageHead title={t`Tasks`}>
        <p className="cm-quiet">
          <Trans>
            A task is one organ in one scan. Choose what to hand out. What is not given to anybody goes to
            whoever asks for the next task.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        {handOut.data ? (
          <Result result={handOut.data} members={members.data ?? []} onClose={handOut.reset} />
        ) : null}
        <Matrix
          volumes={ready}
          labels={project.data.labels}
          taskAt={taskAt}
          chosen={chosen}
          onChange={setChosen}
        />
        <section className="cm-card" aria-label={t`Hand out`}>
          <h2 aria-live="polite">
            <Plural value={chosen.size} one="# chosen" other="# chosen" />
            {chosen.size > 0 ? (
              <>
                {", "}
                <Plural value={fresh} one="# of them is new" other="# of them are new" />
              </>
            ) : null}
          </h2>
          <div className="cm-stack">
            <TextInput
              label={t`People per task`}
              description={t`For new tasks. Left empty: ${project.data.overlap}, as the project says.`}
              type="number"
              min={1}
              max={100}
              maw="24rem"
              value={overlap}
              error={isOverlapGood ? null : t`Give a whole number from 1 to 100.`}
              onChange={(event) => setOverlap(event.currentTarget.value)}
            />
            <div>
              <Button
                variant={people.length === 0 ? "primary" : "secondary"}
                disabled={fresh === 0 || !isOverlapGood}
                busy={handOut.isPending}
                onClick={() => send([])}
              >
                <Trans>Make tasks for whoever asks</Trans>
              </Button>
            </div>
            <PeopleChoice members={members.data ?? []} chosen={people} onChange={setPeople} />
            <div className="cm-row" data-align="end">
              <TextInput
                label={t`Reserved for this many days`}
                type="number"
                min={1}
                max={365}
                value={days}
                error={areDaysGood ? null : t`Give a whole number from 1 to 365.`}
                onChange={(event) => setDays(event.currentTarget.value)}
              />
              <Button
                variant={people.length > 0 ? "primary" : "secondary"}
                disabled={chosen.size === 0 || people.length === 0 || !isOverlapGood || !areDaysGood}
                busy={handOut.isPending}
                onClick={() => send(people)}
              >
                <Trans>Make tasks and give them to these people</Trans>
              </Button>
            </div>
            <ProblemNote error={handOut.error} />
          </div>
        </section>
      </div>
    </>
  );
}

function Result({
  result,
  members,
  onClose,
}: {
  result: HandedOut;
  members: readonly Schema<"MemberAnswer">[];
  onClose: () => void;
}) {
  const { t } = useLingui();
  const nameOf = new Map(members.map((member) => [member.account_id, member.name]));
  const taskOf = new Map(result.tasks.map((task) => [task.id, task]));
  return (
    <section className="cm-note" role="status" aria-label={t`Result`}>
      <p>
        <Plural value={result.tasks.length} one="# task is there." other="# tasks are there." />{" "}
        {result.assigned > 0 ? (
          <Plural value={result.assigned} one="# was reserved." other="# were reserved." />
        ) : null}
      </p>
      {result.notAssigned.length > 0 ? (
        <>
          <p>
            <strong>
              <Plural
                value={result.notAssigned.length}
                one="# could not be given:"
                other="# could not be given:"
              />
            </strong>
          </p>
          <ul>
            {result.notAssigned.map((one) => {
              const task = taskOf.get(one.task_id);
              return (
                <li key={`${one.task_id} ${one.account_id}`}>
                  {task ? `${task.label_name}, ${task.volume_name}` : ""} → {nameOf.get(one.account_id) ?? ""}
                  : {one.reason}
                </li>
              );
            })}
          </ul>
        </>
      ) : null}
      <Button size="small" onClick={onClose}>
        <Trans>Close</Trans>
      </Button>
    </section>
  );
}
