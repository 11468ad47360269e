/**
 * Files on their way to the server, one after the other. Pure: `uploads.ts` does the sending.
 *
 *     chosen -> waiting -> sending -> judging -> accepted | known | refused | failed
 *
 * From refused and failed a file goes back to waiting, perhaps with an answer to what the server asked; a label map, with
 * another scan, back to chosen.
 */
import type { Problem } from "@/api/problem";
import type { Schema } from "@/api/queries";

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

/** What a label map is uploaded as. */
export interface ReferenceTarget {
  /** Of the scan that it belongs to; null: nobody has said yet. */
  readonly volumeId: string | null;
  /** In the place of the reference that the scan has. */
  readonly replace: boolean;
}

export interface UploadOptions {
  /** Accept a file that does not say how it lies. */
  readonly assumeAffine?: boolean;
  /** Which volume of a file that holds several, from 0. */
  readonly volumeIndex?: number;
  /** Who made a reference. */
  readonly origin?: Schema<"ReferenceOrigin">;
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
  /** Null: it is a scan. */
  readonly reference: ReferenceTarget | null;
  /** What was accepted but is worth saying. */
  readonly notices: readonly string[];
}

interface Chosen {
  readonly id: string;
  readonly file: File;
  /** Of a label map. */
  readonly reference?: ReferenceTarget;
}

export type UploadEvent =
  | { readonly type: "add"; readonly files: readonly Chosen[] }
  | { readonly type: "aim"; readonly id: string; readonly target: Partial<ReferenceTarget> }
  | { readonly type: "rename"; readonly id: string; readonly name: string }
  /** Without ids: every scan that can be sent. References are sent by name, since only the page knows the scans. */
  | { readonly type: "start"; readonly ids?: readonly string[]; readonly options?: UploadOptions }
  | { readonly type: "sending"; readonly id: string }
  | { readonly type: "progress"; readonly id: string; readonly share: number }
  | {
      readonly type: "accepted";
      readonly id: string;
      readonly volumeId: string;
      readonly notices?: readonly string[];
    }
  | { readonly type: "known"; readonly id: string; readonly volumeId: string; readonly knownAs: string }
  | { readonly type: "refused"; readonly id: string; readonly problem: Problem }
  | { readonly type: "again"; readonly id: string; readonly options?: UploadOptions }
  | { readonly type: "remove"; readonly id: string };

export type Queue = readonly Upload[];

/** A label map that did not fit one scan may be meant for another one. */
export const MAY_AIM: readonly UploadState[] = ["chosen", "refused", "failed"];

const READABLE = /\.nii(\.gz)?$/i;

export function isReadable(fileName: string): boolean {
  return READABLE.test(fileName);
}

/** The name people will know a volume by: that of its file, without the ending, its letters composed as the server's are. */
export function nameFrom(fileName: string): string {
  return fileName.replace(READABLE, "").normalize("NFC").trim().slice(0, 200);
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

/** What keeps a chosen label map from being sent. */
export function targetProblem(
  queue: Queue,
  upload: Upload,
  /** Whether the scan has a reference already. */
  hasOne: (volumeId: string) => boolean,
): "missing" | "twice" | "taken" | null {
  const { volumeId, replace } = upload.reference ?? { volumeId: null, replace: false };
  if (volumeId === null) return "missing";
  const isTwice = queue.some(
    (other) => other.id !== upload.id && other.state !== "accepted" && other.reference?.volumeId === volumeId,
  );
  if (isTwice) return "twice";
  return hasOne(volumeId) && !replace ? "taken" : null;
}

/** What keeps a chosen scan from being sent. Of several chosen ones with the same name, the first can be. */
export function nameProblem(queue: Queue, upload: Upload): "missing" | "twice" | null {
  const name = upload.name.trim();
  if (name === "") return "missing";
  const at = queue.findIndex((other) => other.id === upload.id);
  const isTwice = queue.some(
    (other, i) =>
      other.id !== upload.id &&
      other.reference === null &&
      other.state !== "known" &&
      (other.state !== "chosen" || i < at) &&
      other.name.trim().toLowerCase() === name.toLowerCase(),
  );
  return isTwice ? "twice" : null;
}

export function reduce(queue: Queue, event: UploadEvent): Queue {
  switch (event.type) {
    case "add":
      return [
        ...queue,
        ...event.files.map(({ id, file, reference = null }) => ({
          id,
          file,
          name: nameFrom(file.name),
          state: "chosen" as const,
          share: 0,
          options: {},
          problem: null,
          volumeId: null,
          knownAs: null,
          reference,
          notices: [],
        })),
      ];
    case "rename":
      return changed(queue, event.id, ["chosen", "refused", "failed"], { name: event.name });
    case "aim":
      return queue.map((upload) =>
        upload.id === event.id && upload.reference !== null && MAY_AIM.includes(upload.state)
          ? { ...upload, state: "chosen", problem: null, reference: { ...upload.reference, ...event.target } }
          : upload,
      );
    case "start": {
      const isMeant = (upload: Upload): boolean =>
        event.ids === undefined
          ? upload.reference === null && nameProblem(queue, upload) === null
          : event.ids.includes(upload.id);
      return queue.map((upload) =>
        upload.state === "chosen" && isMeant(upload)
          ? { ...upload, state: "waiting", options: { ...upload.options, ...event.options } }
          : upload,
      );
    }
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
        notices: event.notices ?? [],
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
  changes: Partial<Pick<Upload, "name" | "state" | "share" | "problem" | "volumeId" | "knownAs" | "notices">>,
): Queue {
  return queue.map((upload) =>
    upload.id === id && from.includes(upload.state) ? { ...upload, ...changes } : upload,
  );
}
