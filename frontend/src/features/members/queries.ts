import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";

export function invitesQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "invites"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/invites", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

export function useMemberChanges(projectId: string) {
  const queryClient = useQueryClient();
  const path = { project_id: projectId };
  const refresh = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
  const change = useMutation({
    mutationFn: ({ accountId, patch }: { accountId: string; patch: Schema<"MemberPatch"> }) =>
      unwrap(
        api.PATCH("/api/v1/projects/{project_id}/members/{account_id}", {
          params: { path: { ...path, account_id: accountId } },
          body: patch,
        }),
      ),
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: (accountId: string) =>
      unwrap(
        api.DELETE("/api/v1/projects/{project_id}/members/{account_id}", {
          params: { path: { ...path, account_id: accountId } },
        }),
      ),
    onSuccess: refresh,
  });
  const signInLink = useMutation({
    mutationFn: (accountId: string) =>
      unwrap(
        api.POST("/api/v1/accounts/{account_id}/sign-in-link", {
          params: { path: { account_id: accountId } },
        }),
      ),
  });
  return { change, remove, signInLink };
}

export function useInviteChanges(projectId: string) {
  const queryClient = useQueryClient();
  const refresh = () => queryClient.invalidateQueries({ queryKey: projectKey(projectId, "invites") });
  const create = useMutation({
    mutationFn: (form: Schema<"InviteForm">) =>
      unwrap(
        api.POST("/api/v1/projects/{project_id}/invites", {
          params: { path: { project_id: projectId } },
          body: form,
        }),
      ),
    onSuccess: refresh,
  });
  const revoke = useMutation({
    mutationFn: (inviteId: string) =>
      unwrap(
        api.DELETE("/api/v1/projects/{project_id}/invites/{invite_id}", {
          params: { path: { project_id: projectId, invite_id: inviteId } },
        }),
      ),
    onSuccess: refresh,
  });
  return { create, revoke };
}
