/** Masks: of submitted work, those that datasets asked for, and predictions of trainings. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { allPages, BY_CURSOR, LARGEST_PAGE } from "./pages";
import { keptWithin, projectKey } from "./queries";

const MASKS_A_PAGE = 50;
const PREDICTIONS_A_PAGE = 200;

/** Those of submitted work. */
export function masksQuery(projectId: string, search: string) {
  return infiniteQueryOptions({
    queryKey: projectKey(projectId, "masks", "submitted", search),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/masks", {
          params: {
            path: { project_id: projectId },
            query: { search, limit: MASKS_A_PAGE, cursor: pageParam },
          },
          signal,
        }),
      ),
    ...BY_CURSOR,
    placeholderData: keptWithin(projectId),
  });
}

/** Those that datasets asked for. */
export function derivedMasksQuery(projectId: string, search: string) {
  return infiniteQueryOptions({
    queryKey: projectKey(projectId, "masks", "derived", search),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/derived-masks", {
          params: {
            path: { project_id: projectId },
            query: { search, limit: MASKS_A_PAGE, cursor: pageParam },
          },
          signal,
        }),
      ),
    ...BY_CURSOR,
    placeholderData: keptWithin(projectId),
  });
}

/** Of which organs in which scans there are masks of boxes, all of them. */
export function maskSubjectsQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "masks", "subjects"),
    queryFn: ({ signal }) =>
      allPages((cursor) =>
        unwrap(
          api.GET("/api/v1/projects/{project_id}/mask-subjects", {
            params: { path: { project_id: projectId }, query: { limit: LARGEST_PAGE, cursor } },
            signal,
          }),
        ),
      ),
  });
}

/** The masks of boxes of one organ in one scan. */
export function organMasksQuery(projectId: string, volume: string, label: number) {
  return queryOptions({
    queryKey: projectKey(projectId, "masks", "organ", volume, label),
    queryFn: async ({ signal }) => {
      const path = { project_id: projectId };
      const query = { volume_id: volume, label_index: [label], limit: LARGEST_PAGE };
      const [masks, derived] = await Promise.all([
        allPages((cursor) =>
          unwrap(
            api.GET("/api/v1/projects/{project_id}/masks", {
              params: { path, query: { ...query, cursor } },
              signal,
            }),
          ),
        ),
        allPages((cursor) =>
          unwrap(
            api.GET("/api/v1/projects/{project_id}/derived-masks", {
              params: { path, query: { ...query, cursor } },
              signal,
            }),
          ),
        ),
      ]);
      return { masks, derived };
    },
  });
}

/** What trained networks made of their test scans, each training's lowest Dice first. */
export function predictionsQuery(projectId: string) {
  return infiniteQueryOptions({
    queryKey: projectKey(projectId, "predictions", "all"),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/predictions", {
          params: {
            path: { project_id: projectId },
            query: { limit: PREDICTIONS_A_PAGE, cursor: pageParam },
          },
          signal,
        }),
      ),
    ...BY_CURSOR,
  });
}

/** What they made of one scan. */
export function volumePredictionsQuery(projectId: string, volume: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "predictions", "volume", volume),
    queryFn: ({ signal }) =>
      allPages((cursor) =>
        unwrap(
          api.GET("/api/v1/projects/{project_id}/predictions", {
            params: {
              path: { project_id: projectId },
              query: { volume_id: volume, limit: LARGEST_PAGE, cursor },
            },
            signal,
          }),
        ),
      ),
  });
}
