/** The mask of submitted work: how far it is, and its bits when it is there. */
import { api, unwrap } from "@/api/client";
import type { Schema } from "@/api/queries";
import type { SliceSize } from "@/canvas/geometry";
import type { Inflate } from "@/canvas/inflate";

export interface MaskSnapshot {
  readonly state: Schema<"MaskAnswer">["state"] | "unreachable";
  /** 0..1. */
  readonly progress: number;
  /** The mask of one slice in bits; null before it is here. */
  readonly bits: ((z: number) => Uint8Array) | null;
}

const EVERY_MS = 1_000;
const TIRED_MS = 5_000;

/** The part of `whole` that is slice `z`: each slice is padded to whole bytes. */
export function sliceBits(whole: Uint8Array, { columns, rows }: SliceSize, z: number): Uint8Array {
  const bytes = Math.ceil((columns * rows) / 8);
  return whole.subarray(z * bytes, (z + 1) * bytes);
}

/** Ask until the mask is there or cannot be made. Ends with the signal. */
export async function followMask(
  annotationId: string,
  size: SliceSize,
  inflate: Inflate,
  signal: AbortSignal,
  tell: (mask: MaskSnapshot) => void,
): Promise<void> {
  const params = { path: { annotation_id: annotationId } };
  for (let asked = 0; !signal.aborted; asked++) {
    try {
      const answer = await unwrap(api.GET("/api/v1/annotations/{annotation_id}/mask", { params, signal }));
      const { state, progress, segmentation } = answer;
      if (state === "done" && segmentation !== null) {
        const whole = await fetchBits(segmentation.id, inflate, signal);
        if (signal.aborted) return;
        return tell({ state, progress: 1, bits: (z) => sliceBits(whole, size, z) });
      }
      if (signal.aborted) return;
      tell({ state, progress, bits: null });
      if (state === "failed") return;
    } catch {
      if (signal.aborted) return;
      tell({ state: "unreachable", progress: 0, bits: null });
    }
    await new Promise((resolve) => setTimeout(resolve, asked < 60 ? EVERY_MS : TIRED_MS));
  }
}

async function fetchBits(id: string, inflate: Inflate, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(`/api/v1/segmentations/${encodeURIComponent(id)}/bits`, { signal });
  if (!response.ok) throw new Error(`The mask could not be read: HTTP ${response.status}.`);
  return new Uint8Array(await inflate(await response.arrayBuffer()));
}
