import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey } from "@/api/queries";

const BASE = "/api/v1/projects/{project_id}/evaluations";

/** What has scores in a project. */
export function scoreSetsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "evaluations", "sets"),
    queryFn: ({ signal }) =>
      unwrap(api.GET(`${BASE}/sets`, { params: { path: { project_id: projectId } }, signal })),
  });
}

/** What one set of scores comes to. */
export function summaryQuery(projectId: string, of: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "evaluations", "summary", of),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET(`${BASE}/summary`, { params: { path: { project_id: projectId }, query: { of } }, signal }),
      ),
  });
}

/** Two sets of scores side by side. */
export function comparisonQuery(projectId: string, a: string, b: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "evaluations", "comparison", a, b),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET(`${BASE}/comparison`, {
          params: { path: { project_id: projectId }, query: { a, b } },
          signal,
        }),
      ),
  });
}
