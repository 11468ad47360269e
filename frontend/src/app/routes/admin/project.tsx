import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { useProjectEvents } from "@/api/events";
import { projectQuery } from "@/api/queries";
import { type ProjectPage, pageOfPath, pagesOf } from "@/shared/roles";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";

/** One project: its pages as the person's role allows, and the open one. */
export function ProjectRoute() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const path = useRouterState({ select: (state) => state.location.pathname });
  const project = useQuery(projectQuery(projectId));
  const liveness = useProjectEvents(projectId);

  const tabs = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // On a phone the tabs scroll: the open one shall be seen, also after `path` changed.
    if (path === "" || !project.data) return;
    const current = tabs.current?.querySelector('[aria-current="page"]');
    current?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }, [path, project.data]);

  const names: Record<ProjectPage, string> = {
    progress: t`Progress`,
    scans: t`Scans`,
    tasks: t`Tasks`,
    people: t`People`,
    organs: t`Organs and guide`,
    masks: t`Masks`,
    quality: t`Agreement`,
    datasets: t`Datasets`,
    trainings: t`Trainings`,
    evaluations: t`Evaluations`,
    report: t`Report`,
    review: t`Review`,
    jobs: t`Jobs`,
    settings: t`Settings`,
  };
  if (project.isPending) return <Loading />;
  if (project.isError) return <ProblemNote error={project.error} />;
  const pages = pagesOf(project.data.role);
  const open = pageOfPath(path, projectId);
  return (
    <>
      <p className="cm-quiet">
        <Trans>
          Project: <strong>{project.data.name}</strong>
        </Trans>{" "}
        {project.data.archived ? <Trans>(archived: nobody gets new tasks)</Trans> : null}{" "}
        {liveness === "interrupted" ? (
          <span role="status">
            <Trans>Live updates are interrupted; trying again.</Trans>
          </span>
        ) : null}
      </p>
      <nav aria-label={t`Project`}>
        <ul ref={tabs} className="cm-tabs">
          {pages.map((page) => (
            <li key={page}>
              <Link
                to={page === "progress" ? "/admin/projects/$projectId" : `/admin/projects/$projectId/${page}`}
                params={{ projectId }}
                {...(page === open ? { "aria-current": "page" as const } : {})}
                activeProps={{}}
                activeOptions={{ exact: true }}
              >
                {names[page]}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {open !== null && pages.includes(open) ? <Outlet /> : <NotForYou />}
    </>
  );
}

function NotForYou(): ReactNode {
  const { t } = useLingui();
  return (
    <EmptyState title={t`This page is not part of what you do in this project`}>
      <p>
        <Trans>Ask an admin of the project if you need it.</Trans>
      </p>
      <Link className="cm-button" data-variant="primary" to="/tasks">
        <Trans>To your tasks</Trans>
      </Link>
    </EmptyState>
  );
}
