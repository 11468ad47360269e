/** What both kinds of viewers are given. */
import type { Window } from "@/canvas/window";
import type { Layer, Shape } from "./layers";
import type { Voxel } from "./planes";
import type { Scan } from "./scan";

export interface ViewProps {
  /** What is shown, for screen readers. */
  readonly label: string;
  readonly scan: Scan;
  readonly layers: readonly Layer[];
  /** Of the layers, 0..1. */
  readonly opacity: number;
  readonly window: Window;
  readonly at: Voxel;
  readonly onMove: (at: Voxel) => void;
}

/** Whether this browser can show a scan of that size in 3D: WebGL 2 with large enough textures. */
export function canShow3d(shape: Shape): boolean {
  try {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (gl === null) return false;
    const most = Number(gl.getParameter(gl.MAX_3D_TEXTURE_SIZE));
    // A browser keeps few of them.
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return Math.max(...shape) <= most;
  } catch {
    return false;
  }
}

/** Whether a whole scan is too much to be loaded unasked: a phone, or somebody who saves data. */
export function isFrugal(): boolean {
  const { connection } = navigator as { connection?: { saveData?: boolean } };
  return connection?.saveData === true || matchMedia("(max-width: 40rem)").matches;
}
