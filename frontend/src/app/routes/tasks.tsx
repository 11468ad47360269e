import { TasksPage } from "@/features/tasks/tasks-page";
import "@/shared/texts/pages";

export function TasksRoute() {
  return <TasksPage />;
}
