import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { BY_CURSOR } from "@/api/pages";
import { keptWithin, projectKey, type Schema } from "@/api/queries";

export interface Filters {
  readonly show: Schema<"TaskFilter">[];
  readonly labels: number[];
  readonly person: string;
  readonly search: string;
  /** Two people agree no better about the boxes, 0 to 1; empty: any. */
  readonly agreement: string;
}

export const NO_FILTERS: Filters = { show: [], labels: [], person: "", search: "", agreement: "" };
const ROWS_A_PAGE = 50;

export function rowsQuery(projectId: string, filters: Filters) {
  return infiniteQueryOptions({
    queryKey: projectKey(projectId, "progress", filters),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/progress", {
          params: {
            path: { project_id: projectId },
            query: {
              show: filters.show,
              label_index: filters.labels,
              account_id: filters.person === "" ? null : filters.person,
              search: filters.search,
              agreement_at_most: filters.agreement === "" ? null : Number(filters.agreement),
              limit: ROWS_A_PAGE,
              cursor: pageParam,
            },
          },
          signal,
        }),
      ),
    ...BY_CURSOR,
    placeholderData: keptWithin(projectId),
  });
}

export function summaryQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "summary"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/progress/summary", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

export function tasksQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "tasks"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/tasks", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

export function useTakeBack(projectId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(
        api.POST("/api/v1/assignments/{assignment_id}/take-back", {
          params: { path: { assignment_id: id } },
        }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) }),
  });
}
