import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { meQuery, myAssignmentsQuery, myProgressQuery, type Schema } from "@/api/queries";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProjectTasks } from "./project-tasks";
import { unsentQuery } from "./unsent";
import "./tasks.css";

const LIVE = { refetchInterval: 30_000, refetchOnWindowFocus: "always", refetchOnMount: "always" } as const;

/** An annotator's start page. */
export function TasksPage() {
  const { t } = useLingui();
  const me = useQuery({ ...meQuery(), ...LIVE });
  return (
    <>
      <PageHead title={t`Your tasks`} />
      {me.data ? (
        <Tasks me={me.data} />
      ) : me.isError ? (
        <ProblemNote error={me.error} />
      ) : (
        <Waiting isOffline={me.fetchStatus === "paused"} />
      )}
    </>
  );
}

function Waiting({ isOffline }: { isOffline: boolean }) {
  const { t } = useLingui();
  if (!isOffline) return <Loading />;
  return (
    <EmptyState title={t`You are offline`}>
      <p>
        <Trans>
          Your tasks are shown as soon as you are connected again. What you have drawn is kept on this device.
        </Trans>
      </p>
    </EmptyState>
  );
}

function Tasks({ me }: { me: Schema<"MeAnswer"> }) {
  const { t } = useLingui();
  const assignments = useQuery({ ...myAssignmentsQuery(), ...LIVE });
  const progress = useQuery({ ...myProgressQuery(), ...LIVE });
  const unsent = useQuery({ ...unsentQuery(me.id), ...LIVE });
  // Researchers draw nothing.
  const memberships = me.memberships.filter(({ archived, role }) => !archived && role !== "researcher");

  if (memberships.length === 0) {
    const runsProjects = me.is_operator || me.memberships.some(({ role }) => role !== "annotator");
    return runsProjects ? (
      <EmptyState
        title={t`There is nothing for you to draw`}
        action={
          <Link className="cm-button" data-variant="primary" to="/admin">
            <Trans>To the projects</Trans>
          </Link>
        }
      />
    ) : (
      <EmptyState title={t`You are in no project yet`}>
        <p>
          <Trans>Ask the person who invited you for a link.</Trans>
        </p>
      </EmptyState>
    );
  }
  // What is known stays on the screen when a later refresh fails.
  if (!assignments.data) {
    return assignments.isError ? (
      <ProblemNote error={assignments.error} />
    ) : (
      <Waiting isOffline={assignments.fetchStatus === "paused"} />
    );
  }
  return (
    <>
      <ProblemNote error={assignments.error ?? progress.error} />
      {memberships.map((membership) => (
        <ProjectTasks
          key={membership.project_id}
          membership={membership}
          isOnlyOne={memberships.length === 1}
          progress={progress.data?.find(({ project_id }) => project_id === membership.project_id)}
          assignments={assignments.data.filter(({ project_id }) => project_id === membership.project_id)}
          unsent={unsent.data ?? {}}
        />
      ))}
    </>
  );
}
