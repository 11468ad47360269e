import { useNavigate, useParams } from "@tanstack/react-router";
import { Workspace } from "@/features/annotate/workspace";
import "@/shared/texts/annotate";
import "./workspace.css";

export function WorkspaceRoute() {
  const { assignmentId } = useParams({ from: "/work/$assignmentId" });
  const navigate = useNavigate();
  return (
    <Workspace
      assignmentId={assignmentId}
      onNext={(next) =>
        void (next === null
          ? navigate({ to: "/tasks" })
          : navigate({ to: "/work/$assignmentId", params: { assignmentId: next } }))
      }
    />
  );
}
