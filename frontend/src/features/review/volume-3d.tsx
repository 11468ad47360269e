/** Three planes and a rendering by NiiVue. Loaded only when it is shown: it is larger than all pages together. */
import { DRAG_MODE, Niivue, NVImage, SLICE_TYPE } from "@niivue/niivue";
import { useEffect, useRef, useState } from "react";
import type { Layer } from "./layers";
import { inside, type Voxel } from "./planes";
import type { Scan } from "./scan";
import { tilingOf } from "./tiles";
import type { ViewProps } from "./view";

const GAP = 4;
const CROSSHAIR_PIXELS = 1.8;
const INT16 = 4;
const UINT8 = 2;

/** NiiVue's world rises to Right, Anterior, Superior, in millimetres; ours lies with its first voxel at left and front. */
function affineOf({ shape: [nz, ny, nx], spacing: [sx, sy, sz] }: Scan): number[] {
  const [x, y, z] = [((nx - 1) * sx) / 2, ((ny - 1) * sy) / 2, (-(nz - 1) * sz) / 2];
  return [-sx, 0, 0, x, 0, -sy, 0, y, 0, 0, sz, z, 0, 0, 0, 1];
}

function toMillimetres([x, y, z]: Voxel, scan: Scan): [number, number, number] {
  const a = affineOf(scan) as [number, number, number, number, ...number[]];
  return [x * a[0] + a[3], y * (a[5] ?? 1) + (a[7] ?? 0), z * (a[10] ?? 1) + (a[11] ?? 0)];
}

function toVoxel([x, y, z]: readonly number[], scan: Scan): Voxel {
  const [, , , ox = 0, , , , oy = 0, , , , oz = 0] = affineOf(scan);
  const [sx, sy, sz] = scan.spacing;
  return inside([((x ?? 0) - ox) / -sx, ((y ?? 0) - oy) / -sy, ((z ?? 0) - oz) / sz], scan.shape);
}

async function imageOf(scan: Scan, values: Int16Array | Uint8Array, name: string): Promise<NVImage> {
  const [nz, ny, nx] = scan.shape;
  const type = values instanceof Int16Array ? INT16 : UINT8;
  const file = NVImage.createNiftiArray([nx, ny, nz], [...scan.spacing], affineOf(scan), type, values);
  return NVImage.loadFromUrl({ url: file.buffer as ArrayBuffer, name: `${name}.nii`, colormap: "gray" });
}

async function overlayOf(scan: Scan, layer: Layer): Promise<NVImage> {
  const image = await imageOf(scan, layer.values, "layer");
  const channel = (at: 0 | 1 | 2) => layer.colours.map((colour) => colour[at]);
  image.setColormapLabel({
    R: channel(0),
    G: channel(1),
    B: channel(2),
    A: layer.colours.map((_, index) => (index === 0 ? 0 : 255)),
    I: layer.colours.map((_, index) => index),
    labels: layer.colours.map((_, index) => String(index)),
  });
  return image;
}

/** The window in stored values. */
function applyWindow(viewer: Niivue, { window, scan }: ViewProps): void {
  const [back] = viewer.volumes;
  if (back === undefined) return;
  const { scale, offset } = scan.values;
  back.cal_min = (window.low - offset) / scale;
  back.cal_max = (window.high - offset) / scale;
}

const SHOWN = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  render: SLICE_TYPE.RENDER,
} as const;

/** Fill the picture, and keep the crosshair a line that can be seen. Returns where the axial plane is. */
function layOut(viewer: Niivue, frame: HTMLElement, scan: Scan): readonly number[] {
  const { clientWidth, clientHeight } = frame;
  const { tiles, pixelsPerMm } = tilingOf(clientWidth, clientHeight, scan, GAP);
  viewer.opts.crosshairWidth = CROSSHAIR_PIXELS / pixelsPerMm;
  // It is made anew only where it has moved.
  viewer.crosshairs3D = null;
  viewer.setCustomLayout(
    tiles.map(({ shows, position }) => ({ sliceType: SHOWN[shows], position: [...position] })),
  );
  return tiles.find(({ shows }) => shows === "axial")?.position ?? [];
}

function begin(): Niivue {
  const viewer = new Niivue({
    // NiiVue's default swaps left and right on the screen.
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    sliceType: SLICE_TYPE.MULTIPLANAR,
    isForceMouseClickToVoxelCenters: true,
    crosshairColor: [0.94, 0.89, 0.26, 0.9],
    crosshairWidthUnit: "mm",
    showAllOrientationMarkers: true,
    fontColor: [1, 1, 1, 1],
    dragMode: DRAG_MODE.pan,
    dragAndDropEnabled: false,
    viewModeHotKey: "",
    clipPlaneHotKey: "",
    cycleClipPlaneHotKey: "",
    logLevel: "error",
    loadingText: "",
  });
  // A double click would choose another window behind the page's back.
  viewer.resetBriCon = () => undefined;
  return viewer;
}

export default function Volume3d({ onFail, ...props }: ViewProps & { onFail: () => void }) {
  const { label, scan, layers, opacity, window, at } = props;
  const frame = useRef<HTMLDivElement>(null);
  const latest = useRef({ ...props, onFail });
  latest.current = { ...props, onFail };
  const [viewer, setViewer] = useState<Niivue | null>(null);
  const [read, setRead] = useState<number | null>(null);
  const [axial, setAxial] = useState<readonly number[]>([]);

  useEffect(() => {
    const canvas = document.createElement("canvas");
    frame.current?.append(canvas);
    const made = begin();
    let isOver = false;
    made.onLocationChange = (location) => {
      const { mm, values } = location as { mm: ArrayLike<number>; values: { value: number }[] };
      const { values: scale, shape } = scan;
      setRead((values[0]?.value ?? Number.NaN) * scale.scale + scale.offset);
      const to = toVoxel(Array.from(mm), scan);
      const from = inside(latest.current.at, shape);
      if (to.some((value, i) => value !== from[i])) latest.current.onMove(to);
    };
    void (async () => {
      await made.attachToCanvas(canvas, false);
      const image = await imageOf(scan, scan.stored, "scan");
      if (isOver) return;
      made.addVolume(image);
      applyWindow(made, latest.current);
      setViewer(made);
    })().catch(() => {
      if (!isOver) latest.current.onFail();
    });
    return () => {
      isOver = true;
      setViewer(null);
      made.cleanup();
      canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
      canvas.remove();
    };
  }, [scan]);

  useEffect(() => {
    if (viewer === null) return;
    let isOver = false;
    void Promise.all(layers.map((layer) => overlayOf(scan, layer))).then((made) => {
      if (isOver) return;
      for (const old of viewer.volumes.slice(1)) viewer.removeVolume(old);
      for (const image of made) {
        image.opacity = latest.current.opacity;
        viewer.addVolume(image);
      }
    });
    return () => {
      isOver = true;
    };
  }, [viewer, scan, layers]);

  useEffect(() => {
    if (viewer === null) return;
    for (const image of viewer.volumes.slice(1)) image.opacity = opacity;
    applyWindow(viewer, { ...latest.current, window });
    viewer.updateGLVolume();
  }, [viewer, opacity, window]);

  useEffect(() => {
    const element = frame.current;
    if (viewer === null || element === null) return;
    const watch = new ResizeObserver(() => setAxial(layOut(viewer, element, scan)));
    watch.observe(element);
    return () => watch.disconnect();
  }, [viewer, scan]);

  const [x, y, z] = at;
  useEffect(() => {
    if (viewer === null) return;
    viewer.scene.crosshairPos = viewer.mm2frac(toMillimetres([x, y, z], scan));
    viewer.createOnLocationChange();
    viewer.drawScene();
  }, [viewer, scan, x, y, z]);

  useEffect(() => {
    const canvas = frame.current?.querySelector("canvas");
    canvas?.setAttribute("role", "application");
    canvas?.setAttribute("aria-label", label);
  }, [label]);

  return (
    <div
      ref={frame}
      className="cm-review-3d"
      data-testid="volume-3d"
      data-ready={viewer !== null}
      data-voxel={`${x},${y},${z}`}
      data-value={read ?? ""}
      data-axial={axial.join(" ")}
    />
  );
}
