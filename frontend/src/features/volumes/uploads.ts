/** Sends the files of the queue. Lives beside the pages, so that uploads go on while other pages are looked at. */
import type { QueryClient } from "@tanstack/react-query";
import { create } from "zustand";
import { ApiError, problemFrom } from "@/api/problem";
import { projectKey, type Schema } from "@/api/queries";
import { sendFile } from "@/api/upload";
import {
  isUnfinished,
  nextToSend,
  type Queue,
  type ReferenceTarget,
  reduce,
  type Upload,
  type UploadEvent,
} from "./upload-queue";

interface Uploads {
  readonly queues: Readonly<Record<string, Queue>>;
}

const EMPTY: Queue = [];
const useStore = create<Uploads>(() => ({ queues: {} }));
/** What is on its way, to be stopped. */
const running = new Map<string, AbortController>();

export function useQueue(projectId: string): Queue {
  return useStore((uploads) => uploads.queues[projectId] ?? EMPTY);
}

function queueOf(projectId: string): Queue {
  return useStore.getState().queues[projectId] ?? EMPTY;
}

function apply(projectId: string, event: UploadEvent): void {
  useStore.setState(({ queues }) => ({
    queues: { ...queues, [projectId]: reduce(queues[projectId] ?? EMPTY, event) },
  }));
}

/** Do something to the queue, and go on sending. */
export function dispatch(projectId: string, queryClient: QueryClient, event: UploadEvent): void {
  if (event.type === "remove") running.get(event.id)?.abort();
  apply(projectId, event);
  void pump(projectId, queryClient);
}

/** Label maps, each for its scan. */
export function addReferences(
  projectId: string,
  queryClient: QueryClient,
  files: readonly { readonly file: File; readonly reference: ReferenceTarget }[],
): void {
  dispatch(projectId, queryClient, {
    type: "add",
    files: files.map((one) => ({ id: crypto.randomUUID(), ...one })),
  });
}

export function addFiles(projectId: string, queryClient: QueryClient, files: readonly File[]): void {
  dispatch(projectId, queryClient, {
    type: "add",
    files: files.map((file) => ({ id: crypto.randomUUID(), file })),
  });
}

async function pump(projectId: string, queryClient: QueryClient): Promise<void> {
  guardPage();
  const upload = nextToSend(queueOf(projectId));
  if (upload === null) return;
  apply(projectId, { type: "sending", id: upload.id });
  const stop = new AbortController();
  running.set(upload.id, stop);
  try {
    const { status, body } = await sendFile<Schema<"VolumeAnswer"> | Schema<"ReferenceAnswer">>(
      urlOf(projectId, upload),
      upload.file,
      {
        method: upload.reference?.replace ? "PUT" : "POST",
        onProgress: (share) => apply(projectId, { type: "progress", id: upload.id, share }),
        signal: stop.signal,
      },
    );
    const volumeId = upload.reference?.volumeId ?? body.id;
    apply(
      projectId,
      status === 200 && "name" in body
        ? { type: "known", id: upload.id, volumeId, knownAs: body.name }
        : {
            type: "accepted",
            id: upload.id,
            volumeId,
            notices: body.notices.map((notice) => notice.text),
          },
    );
  } catch (error) {
    const problem = error instanceof ApiError ? error.problem : problemFrom(0, null);
    apply(projectId, { type: "refused", id: upload.id, problem });
  } finally {
    running.delete(upload.id);
    // A refused file stands in the list too, in quarantine.
    const changed = upload.reference === null ? projectKey(projectId, "volumes") : projectKey(projectId);
    void queryClient.invalidateQueries({ queryKey: changed });
  }
  void pump(projectId, queryClient);
}

export function urlOf(projectId: string, upload: Pick<Upload, "name" | "options" | "reference">): string {
  if (upload.reference !== null) {
    const query = new URLSearchParams({ origin: upload.options.origin ?? "unknown" });
    if (upload.options.assumeAffine) query.set("assume_affine", "true");
    return `/api/v1/volumes/${encodeURIComponent(upload.reference.volumeId ?? "")}/reference?${query}`;
  }
  const query = new URLSearchParams({ name: upload.name.trim() });
  if (upload.options.assumeAffine) query.set("assume_affine", "true");
  if (upload.options.volumeIndex !== undefined) query.set("volume_index", String(upload.options.volumeIndex));
  return `/api/v1/projects/${encodeURIComponent(projectId)}/volumes?${query}`;
}

function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

let isGuarded = false;
/** The browser asks before the page is left while files are on their way. */
function guardPage(): void {
  const isNeeded = Object.values(useStore.getState().queues).some(isUnfinished);
  if (isNeeded === isGuarded) return;
  isGuarded = isNeeded;
  if (isNeeded) window.addEventListener("beforeunload", warn);
  else window.removeEventListener("beforeunload", warn);
}
