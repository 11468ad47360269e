import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { api, unwrap } from "@/api/client";
import { meQuery, myAssignmentsQuery, myProgressQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Card } from "@/shared/ui/card";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Consent } from "./consent";
import { type Assignment, grouped } from "./groups";
import { PastTask, TaskCard } from "./task-card";

/** A person's part in one project: what they have done, what they can go on with, and the way to the next task. */
export function ProjectTasks({
  membership,
  isOnlyOne,
  progress,
  assignments,
  unsent,
}: {
  membership: Schema<"MembershipAnswer">;
  isOnlyOne: boolean;
  progress: Schema<"MyProgressAnswer"> | undefined;
  assignments: readonly Assignment[];
  unsent: Readonly<Record<string, number>>;
}) {
  const titleId = useId();
  const { project_id, project_name, consent_needed } = membership;
  return (
    <section className="cm-project" aria-labelledby={titleId}>
      <h2 id={titleId}>{project_name}</h2>
      {consent_needed ? (
        <ConsentGate projectId={project_id} />
      ) : (
        <>
          {progress ? <Done progress={progress} /> : null}
          <NextTask projectId={project_id} projectName={isOnlyOne ? null : project_name} />
          <Lists assignments={assignments} unsent={unsent} available={progress?.available ?? 0} />
        </>
      )}
    </section>
  );
}

function Done({ progress }: { progress: Schema<"MyProgressAnswer"> }) {
  const { submitted, slices_decided, boxes_drawn } = progress;
  if (submitted === 0 && slices_decided === 0 && boxes_drawn === 0) {
    return (
      <p>
        <Trans>You have not done anything here yet.</Trans>
      </p>
    );
  }
  return (
    <p>
      <Trans>
        You have finished <Plural value={submitted} one="# task" other="# tasks" />, decided{" "}
        <Plural value={slices_decided} one="# slice" other="# slices" /> and drawn{" "}
        <Plural value={boxes_drawn} one="# box" other="# boxes" />.
      </Trans>
    </p>
  );
}

function NextTask({ projectId, projectName }: { projectId: string; projectName: string | null }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const next = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/projects/{project_id}/next-task", { params: { path: { project_id: projectId } } }),
      ),
    onSuccess: async (task: Assignment | undefined) => {
      if (task) await navigate({ to: "/work/$assignmentId", params: { assignmentId: task.id } });
    },
    // A text of consent may be new, or the membership another one.
    onError: () => queryClient.invalidateQueries({ queryKey: meQuery().queryKey }),
    onSettled: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: myAssignmentsQuery().queryKey }),
        queryClient.invalidateQueries({ queryKey: myProgressQuery().queryKey }),
      ]),
  });
  const isNothing = next.isSuccess && !next.data;
  return (
    <div className="cm-next">
      <Button
        variant="primary"
        className="cm-next-button"
        busy={next.isPending}
        aria-label={projectName === null ? undefined : t`Next task in ${projectName}`}
        onClick={() => next.mutate()}
      >
        <Trans>Next task</Trans>
      </Button>
      <p role="status" className={isNothing ? undefined : "cm-hidden"}>
        {isNothing ? <Trans>There is nothing to do right now. Come back later.</Trans> : null}
      </p>
      <ProblemNote error={next.error} />
    </div>
  );
}

function Lists({
  assignments,
  unsent,
  available,
}: {
  assignments: readonly Assignment[];
  unsent: Readonly<Record<string, number>>;
  available: number;
}) {
  const { t } = useLingui();
  const { open, finished, former } = grouped(assignments);
  return (
    <>
      {open.length > 0 ? (
        <ul className="cm-cards" aria-label={t`To do`}>
          {open.map((task) => (
            <TaskCard key={task.id} task={task} unsent={unsent[task.work?.annotation_id ?? ""] ?? 0} />
          ))}
        </ul>
      ) : (
        <p className="cm-quiet">
          {available > 0 ? (
            <Trans>Nothing is reserved for you. "Next task" gives you something to do.</Trans>
          ) : (
            <Trans>Nothing is reserved for you.</Trans>
          )}
        </p>
      )}
      {finished.length > 0 ? (
        <details className="cm-pasts">
          <summary>
            <Trans>Finished ({finished.length})</Trans>
          </summary>
          <ul>
            {finished.map((task) => (
              <PastTask key={task.id} task={task} />
            ))}
          </ul>
        </details>
      ) : null}
      {former.length > 0 ? (
        <details className="cm-pasts">
          <summary>
            <Trans>No longer yours ({former.length})</Trans>
          </summary>
          <p className="cm-quiet">
            <Trans>You gave these back, or an admin took them back. What you saved is kept.</Trans>
          </p>
          <ul>
            {former.map((task) => (
              <PastTask key={task.id} task={task} />
            ))}
          </ul>
        </details>
      ) : null}
    </>
  );
}

/** Stands in place of a project's tasks until its text is accepted. */
function ConsentGate({ projectId }: { projectId: string }) {
  const [isDeclined, setIsDeclined] = useState(false);
  return (
    <Card className="cm-consent">
      {isDeclined ? (
        <>
          <p>
            <Trans>
              There are no tasks for you here as long as you have not agreed to the project's text.
            </Trans>
          </p>
          <Button onClick={() => setIsDeclined(false)}>
            <Trans>Read it</Trans>
          </Button>
        </>
      ) : (
        <>
          <h3>
            <Trans>Before you begin</Trans>
          </h3>
          <Consent
            projectId={projectId}
            onAccepted={() => setIsDeclined(false)}
            onDecline={() => setIsDeclined(true)}
          />
        </>
      )}
    </Card>
  );
}
