import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type Joined, JoinPage } from "@/features/sign-in/join-page";
import { ConsentPage } from "@/features/tasks/consent";
import "@/shared/texts/pages";

/** Join, then read the project's text when it has one, then the tasks. */
export function InviteRoute() {
  const navigate = useNavigate();
  const [reading, setReading] = useState<Joined | null>(null);

  function goOn({ projectId, role }: Joined): void {
    // A researcher draws nothing, so there are no tasks.
    if (role === "researcher") {
      void navigate({ to: "/admin/projects/$projectId", params: { projectId }, replace: true });
    } else {
      void navigate({ to: "/tasks", replace: true });
    }
  }

  if (reading !== null) {
    return (
      <ConsentPage
        projectId={reading.projectId}
        projectName={reading.projectName}
        onDone={() => goOn(reading)}
      />
    );
  }
  return <JoinPage onJoined={(joined) => (joined.consentNeeded ? setReading(joined) : goOn(joined))} />;
}
