/** Masks that nobody submitted. */
import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { projectKey } from "./queries";

/** Those that datasets asked for. */
export function derivedMasksQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "derived-masks"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/derived-masks", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

/** What trained networks made of their test scans. */
export function predictionsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "predictions"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/predictions", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}
