/** What a task needs before work can begin: from the server, or, without a network, as it was kept on this device. */
import { api, unwrap } from "@/api/client";
import { ApiError, problemFrom, problemOf } from "@/api/problem";
import type { Schema } from "@/api/queries";
import type { AnnotationDocument } from "@/canvas/document";
import { readDocument } from "@/canvas/reading";
import type { FetchSlice } from "@/canvas/slices";
import type { Window } from "@/canvas/window";
import type { ServerState } from "@/offline/sync";

export type WorkState = Schema<"AnnotationAnswer">["state"];

/** A volume that has been read: its shape, spacing and pack are known. */
export interface Volume {
  readonly id: string;
  readonly name: string;
  readonly shape: readonly [nz: number, ny: number, nx: number];
  readonly spacing: readonly [x: number, y: number, z: number];
  readonly pack: Schema<"PackAnswer">;
  readonly window: Window | null;
  readonly modality: "ct" | "other" | null;
}

export interface Task {
  readonly account: string;
  readonly assignment: Schema<"AssignmentAnswer">;
  readonly volume: Volume;
  readonly annotationId: string;
  readonly state: WorkState;
}

export interface Loaded {
  readonly task: Task;
  /** Null when the server could not be reached. */
  readonly server: ServerState | null;
}

export function stateOf(answer: Schema<"AnnotationAnswer">): ServerState {
  return { revision: answer.revision, document: readDocument(answer.document) as AnnotationDocument };
}

export async function loadTask(assignmentId: string, signal: AbortSignal): Promise<Loaded> {
  try {
    const params = { path: { assignment_id: assignmentId } };
    const [me, assignment] = await Promise.all([
      unwrap(api.GET("/api/v1/me", { signal })),
      unwrap(api.GET("/api/v1/assignments/{assignment_id}", { params, signal })),
    ]);
    const [volume, annotation] = await Promise.all([
      unwrap(
        api.GET("/api/v1/volumes/{volume_id}", {
          params: { path: { volume_id: assignment.volume_id } },
          signal,
        }),
      ),
      unwrap(api.POST("/api/v1/assignments/{assignment_id}/annotation", { params, signal })),
    ]);
    const task: Task = {
      account: me.id,
      assignment,
      volume: readyVolume(volume),
      annotationId: annotation.id,
      state: annotation.state,
    };
    keepTask(task);
    return { task, server: stateOf(annotation) };
  } catch (error) {
    const isAway = error instanceof ApiError && (error.status === 0 || error.status >= 502);
    const kept = isAway ? keptTask(assignmentId) : null;
    if (kept === null) throw error;
    return { task: kept, server: null };
  }
}

function readyVolume(answer: Schema<"VolumeAnswer">): Volume {
  const { shape, spacing, pack } = answer;
  const [nz, ny, nx] = shape ?? [];
  const [sx, sy, sz] = spacing ?? [];
  if (!nz || !ny || !nx || !sx || !sy || !sz || pack === null) {
    throw new ApiError({
      ...problemFrom(409, null),
      title: "This scan is not ready yet",
      detail: "This scan has not been read yet.",
      hint: "Try again in a minute.",
    });
  }
  const { id, name, window, modality } = answer;
  return { id, name, shape: [nz, ny, nx], spacing: [sx, sy, sz], pack, window, modality };
}

const keyOf = (assignmentId: string): string => `crowdmask task ${assignmentId}`;

export function keepTask(task: Task): void {
  try {
    localStorage.setItem(keyOf(task.assignment.id), JSON.stringify(task));
  } catch {
    // Then this task cannot be opened without a network; nothing else is lost.
  }
}

function keptTask(assignmentId: string): Task | null {
  try {
    return JSON.parse(localStorage.getItem(keyOf(assignmentId)) ?? "null") as Task | null;
  } catch {
    return null;
  }
}

export async function fetchState(annotationId: string): Promise<ServerState & { state: WorkState }> {
  const params = { path: { annotation_id: annotationId } };
  const answer = await unwrap(api.GET("/api/v1/annotations/{annotation_id}", { params }));
  return { ...stateOf(answer), state: answer.state };
}

/** The window with half its width on both sides: what slices are clamped to, to travel light. */
export function clampFor(window: Window): Window {
  const margin = (window.high - window.low) / 2;
  const [low, high] = [window.low - margin, window.high + margin];
  // Whole numbers where they are fine enough, so that the address, and the browser's copy, is the same for all.
  return high - low >= 20 ? { low: Math.floor(low), high: Math.ceil(high) } : { low, high };
}

export function sliceFetcher({ id, pack }: Volume, clamp: Window | null): FetchSlice {
  const base = `/api/v1/volumes/${encodeURIComponent(id)}/packs/${pack.sha256}/slices`;
  const query = clamp === null ? "" : `?low=${clamp.low}&high=${clamp.high}`;
  return async (z, signal) => {
    const response = await fetch(`${base}/${z}${query}`, { signal, credentials: "same-origin" });
    if (!response.ok) throw new ApiError(await problemOf(response));
    return response.arrayBuffer();
  };
}
