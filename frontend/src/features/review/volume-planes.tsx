import { useLingui } from "@lingui/react/macro";
import { useEffect, useRef } from "react";
import {
  EDGES,
  indexOf,
  inside,
  PLANES,
  type Plane,
  placeOf,
  planePixels,
  planeSize,
  stepped,
  type Voxel,
  voxelAt,
} from "./planes";
import type { ViewProps } from "./view";

const CROSSHAIR = "#f0e442";
const CROSSHAIR_PIXELS = 1.2;
/** Longer side of a picture that few voxels make, so that the crosshair stays fine. */
const LEAST_PIXELS = 512;

/** The three planes, for browsers that cannot show 3D. */
export function VolumePlanes(props: ViewProps) {
  const { scan, at } = props;
  const { scale, offset } = scan.values;
  const value = (scan.stored[indexOf(at, scan.shape)] ?? Number.NaN) * scale + offset;
  return (
    <section
      className="cm-review-planes"
      aria-label={props.label}
      data-testid="volume-planes"
      data-voxel={at.join(",")}
      data-value={value}
    >
      {PLANES.map((plane) => (
        <PlanePicture key={plane} plane={plane} view={props} />
      ))}
    </section>
  );
}

/** One slice, while the scan is not here; `z`: which it is. */
export function SlicePicture({
  z,
  onStep,
  ...view
}: ViewProps & { z: number; onStep: (by: number) => void }) {
  const { scan, at, onMove } = view;
  const [x, y] = at;
  const here: Voxel = [x, y, 0];
  const value =
    (scan.stored[indexOf(here, scan.shape)] ?? Number.NaN) * scan.values.scale + scan.values.offset;
  return (
    <section
      className="cm-review-planes"
      aria-label={view.label}
      data-testid="volume-slice"
      data-voxel={[x, y, z].join(",")}
      data-value={value}
    >
      <PlanePicture
        plane="axial"
        view={{ ...view, at: here, onMove: ([toX, toY]) => onMove([toX, toY, z]) }}
        onStep={onStep}
      />
    </section>
  );
}

function PlanePicture({
  plane,
  view,
  onStep,
}: {
  plane: Plane;
  view: ViewProps;
  /** Through the planes, where the scan in `view` has only one. */
  onStep?: (by: number) => void;
}) {
  const { t } = useLingui();
  const { scan, layers, opacity, window, at, onMove } = view;
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = planeSize(plane, scan);
  const letters = EDGES[plane];
  const names = { axial: t`From below`, coronal: t`From the front`, sagittal: t`From the left side` };

  useEffect(() => {
    const element = canvas.current;
    const target = element?.getContext("2d");
    if (!element || !target) return;
    const voxels = document.createElement("canvas");
    voxels.width = size.columns;
    voxels.height = size.rows;
    const pixels = planePixels(plane, at, scan, layers, window, opacity);
    voxels.getContext("2d")?.putImageData(new ImageData(pixels, size.columns, size.rows), 0, 0);
    target.imageSmoothingEnabled = false;
    target.drawImage(voxels, 0, 0, element.width, element.height);
    const { column, row } = placeOf(plane, at, scan.shape);
    const [x, y] = [
      ((column + 0.5) / size.columns) * element.width,
      ((row + 0.5) / size.rows) * element.height,
    ];
    target.strokeStyle = CROSSHAIR;
    // A line of the canvas may be less than one of the screen.
    target.lineWidth = Math.max(1, (CROSSHAIR_PIXELS * element.width) / Math.max(1, element.clientWidth));
    target.beginPath();
    target.moveTo(x, 0);
    target.lineTo(x, element.height);
    target.moveTo(0, y);
    target.lineTo(element.width, y);
    target.stroke();
  }, [plane, at, scan, layers, window, opacity, size.columns, size.rows]);

  // Listened to by hand: React's wheel listeners cannot keep the page from scrolling.
  const wheel = useRef((_by: number): void => undefined);
  const step = onStep ?? ((by: number) => onMove(stepped(plane, at, by, scan.shape)));
  wheel.current = step;
  useEffect(() => {
    const element = canvas.current;
    const turn = (event: WheelEvent): void => {
      event.preventDefault();
      wheel.current(event.deltaY > 0 ? 1 : -1);
    };
    element?.addEventListener("wheel", turn, { passive: false });
    return () => element?.removeEventListener("wheel", turn);
  }, []);

  function pick(event: React.PointerEvent<HTMLCanvasElement>): void {
    if (event.buttons !== 1) return;
    const frame = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - frame.left) / frame.width) * size.columns);
    const row = Math.floor(((event.clientY - frame.top) / frame.height) * size.rows);
    onMove(inside(voxelAt(plane, at, column, row, scan.shape), scan.shape));
  }

  function press(event: React.KeyboardEvent): void {
    const steps: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const along = steps[event.key];
    const through = { PageDown: 1, PageUp: -1 }[event.key];
    if (along === undefined && through === undefined) return;
    event.preventDefault();
    if (through !== undefined) return step(through);
    const { column, row } = placeOf(plane, at, scan.shape);
    const [right, down] = along ?? [0, 0];
    const to: Voxel = voxelAt(plane, at, column + right, row + down, scan.shape);
    onMove(inside(to, scan.shape));
  }

  const longer = Math.max(LEAST_PIXELS, size.columns, size.rows);
  const ratio = longer / Math.max(size.width, size.height);
  return (
    <figure className="cm-review-plane" data-plane={plane}>
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: the keys are its own. */}
      <canvas
        ref={canvas}
        width={Math.round(size.width * ratio)}
        height={Math.round(size.height * ratio)}
        tabIndex={0}
        role="application"
        aria-label={t`${names[plane]}. Arrow keys move the crosshair, Page up and Page down go through the planes.`}
        onPointerDown={pick}
        onPointerMove={pick}
        onKeyDown={press}
      />
      {(["left", "right", "top", "bottom"] as const).map((edge) => (
        <span key={edge} className="cm-review-edge" data-edge={edge} aria-hidden="true">
          {letters[edge]}
        </span>
      ))}
      <figcaption>{names[plane]}</figcaption>
    </figure>
  );
}
