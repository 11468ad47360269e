/** A whole scan in memory, on the grid of the slices: x rises to the patient's Left, y to the Posterior, z to the head. */
import { ApiError, problemOf } from "@/api/problem";
import type { Schema } from "@/api/queries";
import type { ValueScale } from "@/canvas/window";
import { inflated } from "./inflated";
import type { Shape } from "./layers";

export interface Scan {
  readonly shape: Shape;
  /** Millimetres along x, y, z. */
  readonly spacing: readonly [x: number, y: number, z: number];
  /** value = stored * scale + offset. */
  readonly values: ValueScale;
  /** (z, y, x), x fastest. */
  readonly stored: Int16Array;
}

const AT_ONCE = 6;

/** The volume's shape and spacing, once it has been read. */
export function gridOf(volume: Schema<"VolumeAnswer">): Pick<Scan, "shape" | "spacing"> | null {
  const [nz, ny, nx] = volume.shape ?? [];
  const [sx, sy, sz] = volume.spacing ?? [];
  if (!nz || !ny || !nx || !sx || !sy || !sz || volume.pack === null) return null;
  return { shape: [nz, ny, nx], spacing: [sx, sy, sz] };
}

/** One slice as it is stored, (y, x), x fastest. */
export async function fetchSlice(
  volume: Schema<"VolumeAnswer">,
  z: number,
  signal: AbortSignal,
): Promise<Int16Array> {
  const address = `/api/v1/volumes/${volume.id}/packs/${volume.pack?.sha256}/slices/${z}`;
  const response = await fetch(address, { signal, credentials: "same-origin" });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return new Int16Array(await inflated(response));
}

/** Fetch all slices; `onShare` hears how much is here, 0..1. */
export async function loadScan(
  volume: Schema<"VolumeAnswer">,
  signal: AbortSignal,
  onShare: (share: number) => void,
): Promise<Scan> {
  const grid = gridOf(volume);
  if (grid === null || volume.pack === null) throw new Error("This scan has not been read yet.");
  const { scale, offset } = volume.pack;
  const [nz, ny, nx] = grid.shape;
  const stored = new Int16Array(nz * ny * nx);
  let [next, done] = [0, 0];
  async function work(): Promise<void> {
    while (next < nz) {
      const z = next++;
      stored.set(await fetchSlice(volume, z, signal), z * ny * nx);
      done += 1;
      onShare(done / nz);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { ...grid, values: { scale, offset }, stored };
}
