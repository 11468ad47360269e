import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { sendFile } from "@/api/upload";

export function useCreateProject() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (form: Schema<"ProjectForm">) => unwrap(api.POST("/api/v1/projects", { body: form })),
    onSuccess: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: ["projects"] }),
        queryClient.invalidateQueries({ queryKey: ["me"] }),
      ]),
  });
}

export function useChangeProject(projectId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (patch: Schema<"ProjectPatch">) =>
      unwrap(
        api.PATCH("/api/v1/projects/{project_id}", {
          params: { path: { project_id: projectId } },
          body: patch,
        }),
      ),
    onSuccess: (project) => {
      queryClient.setQueryData(projectKey(projectId, "project"), project);
      return Promise.all([
        queryClient.invalidateQueries({ queryKey: ["projects"] }),
        queryClient.invalidateQueries({ queryKey: projectKey(projectId) }),
      ]);
    },
  });
}

/** Changes of the organs and their guide; the project holds them, so it is asked for again. */
export function useLabelChanges(projectId: string) {
  const queryClient = useQueryClient();
  const onSuccess = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
  const path = { project_id: projectId };
  const add = useMutation({
    mutationFn: async (names: readonly string[]) => {
      for (const name of names) {
        await unwrap(
          api.POST("/api/v1/projects/{project_id}/labels", {
            params: { path },
            body: { name, guide: "" },
          }),
        );
      }
    },
    onSettled: onSuccess,
  });
  const change = useMutation({
    mutationFn: ({ index, patch }: { index: number; patch: Schema<"LabelPatch"> }) =>
      unwrap(
        api.PATCH("/api/v1/projects/{project_id}/labels/{label_index}", {
          params: { path: { ...path, label_index: index } },
          body: patch,
        }),
      ),
    onSuccess,
  });
  const remove = useMutation({
    mutationFn: (index: number) =>
      unwrap(
        api.DELETE("/api/v1/projects/{project_id}/labels/{label_index}", {
          params: { path: { ...path, label_index: index } },
        }),
      ),
    onSuccess,
  });
  const addPicture = useMutation({
    mutationFn: ({
      index,
      file,
      caption,
      onProgress,
    }: {
      index: number;
      file: File;
      caption: string;
      onProgress: (share: number) => void;
    }) =>
      sendFile<Schema<"PictureAnswer">>(
        `/api/v1/projects/${projectId}/labels/${index}/pictures?${new URLSearchParams({ caption })}`,
        file,
        { onProgress },
      ),
    onSuccess,
  });
  const removePicture = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/v1/guide-pictures/{picture_id}", { params: { path: { picture_id: id } } })),
    onSuccess,
  });
  return { add, change, remove, addPicture, removePicture };
}
