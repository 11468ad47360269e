/** Settings that all queries share. The queries of a screen stand in its feature. */
import { infiniteQueryOptions, QueryClient, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { BY_CURSOR } from "./pages";
import { ApiError } from "./problem";
import type { components } from "./schema";

function mayRetry(failures: number, error: Error): boolean {
  // A refusal stays one; only what did not arrive or broke on the server is asked again.
  if (error instanceof ApiError && error.status >= 400 && error.status < 500) return false;
  return failures < 3;
}

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: mayRetry, staleTime: 10_000 },
      mutations: { retry: false },
    },
  });
}

/** Tuples as plain arrays, which is how openapi-fetch types what it answers. */
type Plain<T> = T extends readonly (infer Element)[]
  ? Plain<Element>[]
  : T extends object
    ? { [Key in keyof T]: Plain<T[Key]> }
    : T;

/** A body of the API by its name in the schema: `Schema<"ProjectAnswer">`. */
export type Schema<Name extends keyof components["schemas"]> = Plain<components["schemas"][Name]>;

/** Who is signed in. */
export function meQuery() {
  return queryOptions({
    queryKey: ["me"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me", { signal })),
    staleTime: 60_000,
  });
}

/** All that a screen knows of a project stands below this key, so that one call can refresh it. */
export function projectKey(projectId: string, ...below: readonly unknown[]) {
  return ["project", projectId, ...below] as const;
}

/** For `placeholderData`: the earlier answer until the next one is there, unless it was about another project or volume,
 *  which is what stands second in a key. */
export function keptWithin(id: string) {
  return <Data>(
    earlier: Data | undefined,
    query: { readonly queryKey: readonly unknown[] } | undefined,
  ): Data | undefined => (query?.queryKey[1] === id ? earlier : undefined);
}

export function projectsQuery() {
  return queryOptions({
    queryKey: ["projects"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/projects", { signal })),
  });
}

export function projectQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "project"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: projectId } }, signal }),
      ),
  });
}

/** The volumes of a project, a page at a time. */
export function volumesQuery(projectId: string) {
  return infiniteQueryOptions({
    queryKey: projectKey(projectId, "volumes"),
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/volumes", {
          params: { path: { project_id: projectId }, query: { limit: 200, cursor: pageParam } },
          signal,
        }),
      ),
    ...BY_CURSOR,
  });
}

export function volumeQuery(projectId: string, volumeId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "volume", volumeId),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/volumes/{volume_id}", { params: { path: { volume_id: volumeId } }, signal })),
  });
}

/** What each person of a project has done. */
export function peopleQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "people"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/progress/people", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

export function membersQuery(projectId: string) {
  return queryOptions({
    queryKey: projectKey(projectId, "members"),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/projects/{project_id}/members", {
          params: { path: { project_id: projectId } },
          signal,
        }),
      ),
  });
}

/** All tasks that are or were mine, in every project: returned work first. */
export function myAssignmentsQuery() {
  return queryOptions({
    queryKey: ["my-assignments"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/assignments", { signal })),
  });
}

/** What I have done, in every project. */
export function myProgressQuery() {
  return queryOptions({
    queryKey: ["my-progress"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/progress", { signal })),
  });
}

/** After signing out: what was kept for the account leaves the memory. Unsent work stays on the device, for that account. */
export async function forgetAccount(queryClient: QueryClient): Promise<void> {
  queryClient.removeQueries({ type: "inactive" });
  // Reset, not removed: whoever shows it learns that nobody is signed in.
  await queryClient.resetQueries({ queryKey: meQuery().queryKey });
}
