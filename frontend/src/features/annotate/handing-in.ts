/** Handing work in, taking it up again, and what comes after. */
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/problem";
import type { Schema } from "@/api/queries";
import { type AnnotationDocument, type Gap, gaps } from "@/canvas/document";
import type { Sync } from "@/offline/sync";
import type { WorkState } from "./task-files";

/** What became of handing in. */
export type Submitted =
  | { readonly kind: "done"; readonly state: WorkState }
  | { readonly kind: "gaps"; readonly gaps: readonly Gap[] }
  /** Something is not saved, and the sync says why. */
  | { readonly kind: "unsent" }
  | { readonly kind: "problem"; readonly error: unknown };

export async function submitWork(
  annotationId: string,
  document: AnnotationDocument,
  sync: Sync,
): Promise<Submitted> {
  const open = gaps(document);
  if (open.length > 0) return { kind: "gaps", gaps: open };
  if (!(await sync.flush())) return { kind: "unsent" };
  try {
    const headers = { "If-Match": `"${sync.getSnapshot().revision}"` };
    const params = { path: { annotation_id: annotationId } };
    const answer = await unwrap(api.POST("/api/v1/annotations/{annotation_id}/submit", { params, headers }));
    return { kind: "done", state: answer.state };
  } catch (error) {
    if (error instanceof ApiError && error.code === "not_complete" && Array.isArray(error.problem.gaps)) {
      return { kind: "gaps", gaps: error.problem.gaps as Gap[] };
    }
    return { kind: "problem", error };
  }
}

export async function reopenWork(annotationId: string): Promise<WorkState> {
  const params = { path: { annotation_id: annotationId } };
  return (await unwrap(api.POST("/api/v1/annotations/{annotation_id}/reopen", { params }))).state;
}

/** The next task of a project; null when there is none now. */
export async function claimNext(projectId: string): Promise<string | null> {
  const params = { path: { project_id: projectId } };
  const next: Schema<"AssignmentAnswer"> | undefined = await unwrap(
    api.POST("/api/v1/projects/{project_id}/next-task", { params }),
  );
  return next?.id ?? null;
}
