import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useId, useState } from "react";
import { until } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Card } from "@/shared/ui/card";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { GiveBack } from "./give-back";
import { type Assignment, decided, isReturned, withinSentence } from "./groups";

/** One task to begin or to go on with. */
export function TaskCard({ task, unsent }: { task: Assignment; unsent: number }) {
  const { t } = useLingui();
  const titleId = useId();
  const [isGivingBack, setIsGivingBack] = useState(false);
  const organ = withinSentence(task.label.name);
  const title = t`Box the ${organ}`;
  const n = decided(task);
  const total = task.n_slices;
  const isBegun = unsent > 0 || (task.work !== null && task.work.revision > 0);
  return (
    <Card as="li" className="cm-task" aria-labelledby={titleId}>
      <div className="cm-task-words">
        <h3 id={titleId}>{title}</h3>
        <p>{task.volume_name}</p>
        {isReturned(task) ? (
          <p>
            <Status tone="warning">
              <Trans>Sent back to you</Trans>
            </Status>{" "}
            {task.work?.return_comment}
          </p>
        ) : null}
        {unsent > 0 ? (
          <p>
            <Status tone="warning">
              <Plural value={unsent} one="# change not sent yet" other="# changes not sent yet" />
            </Status>
          </p>
        ) : null}
        <p className="cm-quiet">
          <Effort task={task} />
        </p>
        <p className="cm-quiet">
          <Reserved task={task} />
        </p>
        {task.assigned ? (
          <p className="cm-quiet">
            <Trans>Chosen for you</Trans>
          </p>
        ) : null}
        {total > 0 ? (
          <>
            <ProgressBar
              label={t`Your work on ${organ}, ${task.volume_name}`}
              value={n}
              max={total}
              valueText={t`${n} of ${total} slices decided`}
            />
            <p className="cm-quiet">
              <Trans>
                {n} of {total} slices decided
              </Trans>
            </p>
          </>
        ) : null}
      </div>
      <div className="cm-actions">
        <Link
          className="cm-button"
          data-variant="primary"
          to="/work/$assignmentId"
          params={{ assignmentId: task.id }}
          aria-label={
            isBegun ? t`Continue: ${title}, ${task.volume_name}` : t`Start: ${title}, ${task.volume_name}`
          }
        >
          {isBegun ? <Trans>Continue</Trans> : <Trans>Start</Trans>}
        </Link>
        <Button
          aria-label={t`Give back: ${title}, ${task.volume_name}`}
          onClick={() => setIsGivingBack(true)}
        >
          <Trans>Give back</Trans>
        </Button>
      </div>
      {isGivingBack ? (
        <GiveBack task={task} title={title} unsent={unsent} onClose={() => setIsGivingBack(false)} />
      ) : null}
    </Card>
  );
}

function Effort({ task }: { task: Assignment }): ReactNode {
  const minutes = <Plural value={task.minutes} one="about # minute" other="about # minutes" />;
  // Nothing is known of the size while the scan is being made ready anew.
  if (task.megabytes <= 0) return minutes;
  const size = task.megabytes < 1 ? task.megabytes : Math.round(task.megabytes);
  return (
    <Trans>
      About {size} MB, {minutes}
    </Trans>
  );
}

function Reserved({ task }: { task: Assignment }): ReactNode {
  const time = until(task.lease_until);
  if (task.late) {
    return task.work === null ? (
      <Trans>The time for this ended, {time}. You can still begin.</Trans>
    ) : (
      <Trans>The time for this ended, {time}. Your work is kept, and you can go on.</Trans>
    );
  }
  if (new Date(task.lease_until).getTime() < Date.now()) {
    return <Trans>Was reserved until {time}; it is still yours as long as nobody else takes it.</Trans>;
  }
  return <Trans>Reserved for you until {time}.</Trans>;
}

/** A task that only can be looked at: a line in a list. */
export function PastTask({ task }: { task: Assignment }) {
  const { t } = useLingui();
  const title = t`Box the ${withinSentence(task.label.name)}`;
  const isAccepted = task.work?.state === "accepted";
  const isFormer = task.state === "taken_back" && task.work?.state === "open";
  return (
    <li className="cm-past">
      <span>
        {title}, {task.volume_name}{" "}
        {isFormer ? null : (
          <Status tone={isAccepted ? "good" : "plain"}>
            {isAccepted ? <Trans>Accepted</Trans> : <Trans>Handed in</Trans>}
          </Status>
        )}
      </span>
      <Link
        className="cm-button"
        data-variant="plain"
        to="/work/$assignmentId"
        params={{ assignmentId: task.id }}
        aria-label={t`Look at it: ${title}, ${task.volume_name}`}
      >
        <Trans>Look at it</Trans>
      </Link>
    </li>
  );
}
