import { queryOptions, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, unwrap } from "@/api/client";
import { keptWithin, projectKey, type Schema, volumesQuery } from "@/api/queries";
import type { ChoiceForm } from "./draft";

const AT_WORK: readonly Schema<"ExportAnswer">["state"][] = ["making", "queued", "running"];

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
    refetchInterval: (query) =>
      query.state.data?.some((one) => AT_WORK.includes(one.state)) ? 5_000 : false,
  });
}

/** What a dataset of this choice would hold; the earlier answer stays until the next one is there. */
export function previewQuery(projectId: string, choice: ChoiceForm) {
  return queryOptions({
    queryKey: projectKey(projectId, "exports", "preview", choice),
    queryFn: ({ signal }) =>
      unwrap(
        api.POST("/api/v1/projects/{project_id}/exports/preview", {
          params: { path: { project_id: projectId } },
          body: { choice },
          signal,
        }),
      ),
    placeholderData: keptWithin(projectId),
  });
}

/** Every scan of the project, page after page. */
export function useAllVolumes(projectId: string): readonly Schema<"VolumeAnswer">[] {
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(volumesQuery(projectId));
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return data?.pages.flatMap((page) => page.items) ?? [];
}

export function useDatasetChanges(projectId: string) {
  const queryClient = useQueryClient();
  const onSuccess = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId, "exports") });
  const create = useMutation({
    mutationFn: (form: Schema<"ExportForm">) =>
      unwrap(
        api.POST("/api/v1/projects/{project_id}/exports", {
          params: { path: { project_id: projectId } },
          body: form,
        }),
      ),
    onSuccess,
  });
  const makeTwin = useMutation({
    mutationFn: ({ exportId, twin }: { exportId: string; twin: Schema<"Twin"> }) =>
      unwrap(
        api.POST("/api/v1/exports/{export_id}/twin", {
          params: { path: { export_id: exportId } },
          body: { twin },
        }),
      ),
    onSuccess,
  });
  return { create, makeTwin };
}
