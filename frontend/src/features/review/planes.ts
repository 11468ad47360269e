/** The three planes through a voxel as pictures, without a graphics card. Right and left as the workspace shows them. */
import type { EdgeLetters } from "@/canvas/orientation";
import { lookupTable, type Window } from "@/canvas/window";
import type { Layer, Shape } from "./layers";
import type { Scan } from "./scan";

export type Plane = "axial" | "coronal" | "sagittal";
export type Voxel = readonly [x: number, y: number, z: number];

export const PLANES: readonly Plane[] = ["axial", "coronal", "sagittal"];

/** Letters at the edges of the pictures, as in the workspace: the patient's right is on the left of the screen. */
export const EDGES: Readonly<Record<Plane, EdgeLetters>> = {
  axial: { left: "R", right: "L", top: "A", bottom: "P" },
  coronal: { left: "R", right: "L", top: "S", bottom: "I" },
  sagittal: { left: "A", right: "P", top: "S", bottom: "I" },
};

/** Size of a plane's picture in voxels, and in millimetres. */
export interface PlaneSize {
  readonly columns: number;
  readonly rows: number;
  readonly width: number;
  readonly height: number;
}

export function planeSize(plane: Plane, { shape, spacing }: Pick<Scan, "shape" | "spacing">): PlaneSize {
  const [nz, ny, nx] = shape;
  const [sx, sy, sz] = spacing;
  const columns = plane === "sagittal" ? ny : nx;
  const rows = plane === "axial" ? ny : nz;
  return {
    columns,
    rows,
    width: columns * (plane === "sagittal" ? sy : sx),
    height: rows * (plane === "axial" ? sy : sz),
  };
}

/** The voxel in a column and row of the plane through `at`. The head is at the top. */
export function voxelAt(plane: Plane, at: Voxel, column: number, row: number, [nz]: Shape): Voxel {
  switch (plane) {
    case "axial":
      return [column, row, at[2]];
    case "coronal":
      return [column, at[1], nz - 1 - row];
    case "sagittal":
      return [at[0], column, nz - 1 - row];
  }
}

/** Where the voxel lies in the plane: the inverse of `voxelAt`. */
export function placeOf(plane: Plane, [x, y, z]: Voxel, [nz]: Shape): { column: number; row: number } {
  switch (plane) {
    case "axial":
      return { column: x, row: y };
    case "coronal":
      return { column: x, row: nz - 1 - z };
    case "sagittal":
      return { column: y, row: nz - 1 - z };
  }
}

/** `by` voxels along the plane's axis that cannot be seen in it, inside the scan. */
export function stepped(plane: Plane, at: Voxel, by: number, shape: Shape): Voxel {
  const axis = { sagittal: 0, coronal: 1, axial: 2 }[plane];
  return inside(at.map((value, i) => (i === axis ? value + by : value)) as unknown as Voxel, shape);
}

export function inside([x, y, z]: Voxel, [nz, ny, nx]: Shape): Voxel {
  const within = (value: number, n: number) => Math.min(Math.max(Math.round(value), 0), n - 1);
  return [within(x, nx), within(y, ny), within(z, nz)];
}

export function indexOf([x, y, z]: Voxel, [, ny, nx]: Shape): number {
  return (z * ny + y) * nx + x;
}

/** RGBA of the plane through `at`: greys by the window, and the layers over them, each with this opacity (0..1). */
export function planePixels(
  plane: Plane,
  at: Voxel,
  scan: Scan,
  layers: readonly Layer[],
  window: Window,
  opacity: number,
): Uint8ClampedArray<ArrayBuffer> {
  const { columns, rows } = planeSize(plane, scan);
  const greys = lookupTable(window, scan.values);
  const out = new Uint8ClampedArray(columns * rows * 4);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i += 4) {
      const voxel = indexOf(voxelAt(plane, at, column, row, scan.shape), scan.shape);
      const grey = greys[(scan.stored[voxel] ?? 0) + 32_768] ?? 0;
      let [r, g, b] = [grey, grey, grey];
      for (const { values, colours } of layers) {
        const value = values[voxel] ?? 0;
        const colour = colours[value];
        if (value === 0 || colour === undefined) continue;
        r += (colour[0] - r) * opacity;
        g += (colour[1] - g) * opacity;
        b += (colour[2] - b) * opacity;
      }
      out[i] = r;
      out[i + 1] = g;
      out[i + 2] = b;
      out[i + 3] = 255;
    }
  }
  return out;
}
