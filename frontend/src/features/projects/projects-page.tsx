import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { meQuery, projectsQuery, type Schema } from "@/api/queries";
import { percent } from "@/shared/texts/format";
import { roleWord } from "@/shared/texts/roles";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";

/** The projects that a person takes part in; an empty system leads by the hand. */
export function ProjectsPage() {
  const { t } = useLingui();
  const me = useQuery(meQuery());
  const projects = useQuery(projectsQuery());
  const [withArchived, setWithArchived] = useState(false);
  const isOperator = me.data?.is_operator === true;
  const all = projects.data ?? [];
  const shown = all.filter((project) => withArchived || !project.archived);

  return (
    <>
      <PageHead
        title={t`Projects`}
        actions={
          isOperator && all.length > 0 ? (
            <Link className="cm-button" data-variant="primary" to="/admin/new">
              <Trans>New project</Trans>
            </Link>
          ) : null
        }
      />
      {projects.isPending ? <Loading /> : null}
      {projects.isError ? <ProblemNote error={projects.error} /> : null}
      {projects.isSuccess && all.length === 0 ? isOperator ? <FirstSteps /> : <NothingYet /> : null}
      <ul className="cm-cards" aria-label={t`Projects`}>
        {shown.map((project) => (
          <ProjectCard key={project.id} project={project} />
        ))}
      </ul>
      {all.some((project) => project.archived) ? (
        <p>
          <label className="cm-row">
            <input
              type="checkbox"
              className="cm-check"
              checked={withArchived}
              onChange={(event) => setWithArchived(event.currentTarget.checked)}
            />
            <Trans>Show archived projects too</Trans>
          </label>
        </p>
      ) : null}
    </>
  );
}

function FirstSteps() {
  const { t } = useLingui();
  return (
    <section aria-label={t`First steps`}>
      <p>
        <Trans>Nothing is here yet. Four steps lead to the first masks:</Trans>
      </p>
      <ol className="cm-steps">
        <li>
          <span className="cm-step-number" aria-hidden="true">
            1
          </span>
          <p>
            <Trans>
              <strong>Create a project</strong>: a name, and the organs to find.
            </Trans>
          </p>
        </li>
        <li>
          <span className="cm-step-number" aria-hidden="true">
            2
          </span>
          <p>
            <Trans>
              <strong>Upload scans</strong>: NIfTI files, and reference masks where you have them.
            </Trans>
          </p>
        </li>
        <li>
          <span className="cm-step-number" aria-hidden="true">
            3
          </span>
          <p>
            <Trans>
              <strong>Invite people</strong>: each gets a link that works once.
            </Trans>
          </p>
        </li>
        <li>
          <span className="cm-step-number" aria-hidden="true">
            4
          </span>
          <p>
            <Trans>
              <strong>Hand out tasks</strong>: one organ in one scan each, to chosen people or to whoever asks
              for the next one.
            </Trans>
          </p>
        </li>
      </ol>
      <Link className="cm-button" data-variant="primary" to="/admin/new">
        <Trans>Create the first project</Trans>
      </Link>
    </section>
  );
}

function NothingYet() {
  const { t } = useLingui();
  return (
    <EmptyState title={t`You are in no project yet`}>
      <p>
        <Trans>
          Ask an admin of a project for an invitation, or an operator of this server to make a project.
        </Trans>
      </p>
    </EmptyState>
  );
}

function ProjectCard({ project }: { project: Schema<"ProjectSummary"> }) {
  const { t } = useLingui();
  const { tasks, tasks_complete: complete, volumes } = project;
  const isAnnotator = project.role === "annotator";
  return (
    <li className="cm-card">
      <h2>
        {isAnnotator ? (
          project.name
        ) : (
          <Link to="/admin/projects/$projectId" params={{ projectId: project.id }}>
            {project.name}
          </Link>
        )}
      </h2>
      <p className="cm-quiet">
        <Trans>Your role: {roleWord(project.role)}</Trans>{" "}
        {project.archived ? <Status>{t`archived`}</Status> : null}
      </p>
      {isAnnotator ? (
        <Link to="/tasks">
          <Trans>To your tasks</Trans>
        </Link>
      ) : tasks > 0 ? (
        <>
          <ProgressBar
            label={t`Complete tasks of ${project.name}`}
            value={complete}
            max={tasks}
            valueText={t`${complete} of ${tasks} tasks complete`}
          />
          <p className="cm-quiet">
            <Trans>
              {complete} of {tasks} tasks complete ({percent(complete / tasks)})
            </Trans>
            {" · "}
            <Plural value={volumes} one="# scan" other="# scans" />
          </p>
        </>
      ) : (
        <NextStep project={project} />
      )}
    </li>
  );
}

/** A project without tasks: what comes next. */
function NextStep({ project }: { project: Schema<"ProjectSummary"> }) {
  const params = { projectId: project.id };
  if (project.role !== "admin") {
    return (
      <p className="cm-quiet">
        <Trans>No tasks yet.</Trans>
      </p>
    );
  }
  if (project.volumes === 0) {
    return (
      <p>
        <Trans>
          Next:{" "}
          <Link to="/admin/projects/$projectId/scans" params={params}>
            upload scans
          </Link>
        </Trans>
      </p>
    );
  }
  return (
    <p>
      <Trans>
        Next:{" "}
        <Link to="/admin/projects/$projectId/people" params={params}>
          invite people
        </Link>{" "}
        and{" "}
        <Link to="/admin/projects/$projectId/tasks" params={params}>
          hand out tasks
        </Link>
      </Trans>
    </p>
  );
}
