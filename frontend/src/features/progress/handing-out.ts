import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { type Cell, inParts, requestsFor } from "./selection";

export interface HandOut {
  readonly cells: ReadonlySet<Cell>;
  /** People per task; null for the project's. */
  readonly overlap: number | null;
  readonly accountIds: readonly string[];
  readonly days: number;
}

export interface HandedOut {
  readonly tasks: readonly Schema<"TaskAnswer">[];
  readonly assigned: number;
  readonly notAssigned: readonly Schema<"NotAssigned">[];
}

/** The API takes a thousand ids at once. */
const MOST_IDS = 1000;

/** Make tasks of the chosen cells, and give them to the chosen people if there are any. */
export function useHandOut(projectId: string) {
  const queryClient = useQueryClient();
  const params = { path: { project_id: projectId } };
  return useMutation({
    mutationFn: async ({ cells, overlap, accountIds, days }: HandOut): Promise<HandedOut> => {
      const tasks: Schema<"TaskAnswer">[] = [];
      for (const request of requestsFor(cells, MOST_IDS)) {
        const made = await unwrap(
          api.POST("/api/v1/projects/{project_id}/tasks", { params, body: { ...request, overlap } }),
        );
        tasks.push(...made);
      }
      let assigned = 0;
      const notAssigned: Schema<"NotAssigned">[] = [];
      if (accountIds.length > 0) {
        for (const part of inParts(tasks, MOST_IDS)) {
          const answer = await unwrap(
            api.POST("/api/v1/projects/{project_id}/assignments", {
              params,
              body: { task_ids: part.map((task) => task.id), account_ids: [...accountIds], days },
            }),
          );
          assigned += answer.assigned;
          notAssigned.push(...answer.not_assigned);
        }
      }
      return { tasks, assigned, notAssigned };
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) }),
  });
}
