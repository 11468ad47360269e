/**
 * Files on their way to the server, one after the other. Pure: `uploads.ts` does the sending.
 *
 *     chosen -> waiting -> sending -> judging -> accepted | known | refused | failed
 *
 * From refused and failed a file goes back to waiting, perhaps with an answer to what the server asked.
 */
import type { Problem } from "@/api/problem";

export type UploadState =
  /** Its name may still be changed. */
  | "chosen"
  | "waiting"
  | "sending"
  /** The server has it and looks at it. */
  | "judging"
  | "accepted"
  /** The project has these voxels already. */
  | "known"
  | "refused"
  /** No answer, or the server broke: may be tried again as it is. */
  | "failed";

export interface UploadOptions {
  /** Accept a file that does not say how it lies. */
  readonly assumeAffine?: boolean;
  /** Which volume of a file that holds several, from 0. */
  readonly volumeIndex?: number;
}

export interface Upload {
  readonly id: string;
  readonly file: File;
  readonly name: string;
  readonly state: UploadState;
  /** Of the bytes, 0..1. */
  readonly share: number;
  readonly options: UploadOptions;
  readonly problem: Problem | null;
  /** Of what became of it. */
  readonly volumeId: string | null;
  /** The name under which the project knows these voxels. */
  readonly knownAs: string | null;
}

export type UploadEvent =
  | { readonly type: "add"; readonly files: readonly { readonly id: string; readonly file: File }[] }
  | { readonly type: "rename"; readonly id: string; readonly name: string }
  | { readonly type: "start" }
  | { readonly type: "sending"; readonly id: string }
  | { readonly type: "progress"; readonly id: string; readonly share: number }
  | { readonly type: "accepted"; readonly id: string; readonly volumeId: string }
  | { readonly type: "known"; readonly id: string; readonly volumeId: string; readonly knownAs: string }
  | { readonly type: "refused"; readonly id: string; readonly problem: Problem }
  | { readonly type: "again"; readonly id: string; readonly options?: UploadOptions }
  | { readonly type: "remove"; readonly id: string };

export type Queue = readonly Upload[];

const READABLE = /\.nii(\.gz)?$/i;

export function isReadable(fileName: string): boolean {
  return READABLE.test(fileName);
}

/** The name people will know a volume by: that of its file, without the ending. */
export function nameFrom(fileName: string): string {
  return fileName.replace(READABLE, "").trim().slice(0, 200);
}

export function isBusy(upload: Upload): boolean {
  return upload.state === "sending" || upload.state === "judging";
}

/** Whether leaving the page would lose something. */
export function isUnfinished(queue: Queue): boolean {
  return queue.some((upload) => upload.state === "waiting" || isBusy(upload));
}

/** The one to send now; null while another is on its way. */
export function nextToSend(queue: Queue): Upload | null {
  if (queue.some(isBusy)) return null;
  return queue.find((upload) => upload.state === "waiting") ?? null;
}

/** What keeps a chosen file from being sent. */
export function nameProblem(queue: Queue, upload: Upload): "missing" | "twice" | null {
  const name = upload.name.trim();
  if (name === "") return "missing";
  const isTwice = queue.some(
    (other) =>
      other.id !== upload.id &&
      other.state !== "known" &&
      other.name.trim().toLowerCase() === name.toLowerCase(),
  );
  return isTwice ? "twice" : null;
}

export function reduce(queue: Queue, event: UploadEvent): Queue {
  switch (event.type) {
    case "add":
      return [
        ...queue,
        ...event.files.map(({ id, file }) => ({
          id,
          file,
          name: nameFrom(file.name),
          state: "chosen" as const,
          share: 0,
          options: {},
          problem: null,
          volumeId: null,
          knownAs: null,
        })),
      ];
    case "rename":
      return changed(queue, event.id, ["chosen", "refused", "failed"], { name: event.name });
    case "start":
      return queue.map((upload) =>
        upload.state === "chosen" && nameProblem(queue, upload) === null
          ? { ...upload, state: "waiting" }
          : upload,
      );
    case "sending":
      return changed(queue, event.id, ["waiting"], { state: "sending", share: 0, problem: null });
    case "progress":
      return changed(queue, event.id, ["sending", "judging"], {
        share: event.share,
        state: event.share >= 1 ? "judging" : "sending",
      });
    case "accepted":
      return changed(queue, event.id, ["sending", "judging"], {
        state: "accepted",
        share: 1,
        volumeId: event.volumeId,
      });
    case "known":
      return changed(queue, event.id, ["sending", "judging"], {
        state: "known",
        share: 1,
        volumeId: event.volumeId,
        knownAs: event.knownAs,
      });
    case "refused": {
      const isFault =
        event.problem.status === 0 || event.problem.status >= 500 || event.problem.status === 429;
      return changed(queue, event.id, ["sending", "judging"], {
        state: isFault ? "failed" : "refused",
        problem: event.problem,
      });
    }
    case "again":
      return queue.map((upload) =>
        upload.id === event.id && (upload.state === "refused" || upload.state === "failed")
          ? { ...upload, state: "waiting", share: 0, options: { ...upload.options, ...event.options } }
          : upload,
      );
    case "remove":
      return queue.filter((upload) => upload.id !== event.id);
  }
}

function changed(
  queue: Queue,
  id: string,
  from: readonly UploadState[],
  changes: Partial<Pick<Upload, "name" | "state" | "share" | "problem" | "volumeId" | "knownAs">>,
): Queue {
  return queue.map((upload) =>
    upload.id === id && from.includes(upload.state) ? { ...upload, ...changes } : upload,
  );
}
