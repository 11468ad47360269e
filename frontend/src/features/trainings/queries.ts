import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";

const AGAIN_MS = 5_000;

export function goesOn(state: Schema<"TrainingState"> | undefined): boolean {
  return state === "queued" || state === "running";
}

/** The trainings of a project, the newest first. */
export function trainingsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "trainings", "list"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/trainings", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

/** The comparison pairs among the project's datasets. */
export function pairsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "trainings", "pairs"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/training-pairs", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

/** One training; asked for again and again while it goes on, since an epoch is no change of its job. */
export function trainingQuery(projectId: string, trainingId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "trainings", trainingId),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/trainings/{training_id}", {
          params: { path: { training_id: trainingId } },
          signal,
        }),
      ),
    refetchInterval: (query) => (goesOn(query.state.data?.training.state) ? AGAIN_MS : false),
  });
}

/** The datasets of a project that are written: only those can be trained. */
export function datasetsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "exports", "list"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/exports", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
    select: (all: Schema<"ExportAnswer">[]) => all.filter((one) => one.state === "done"),
  });
}
