import { Trans, useLingui } from "@lingui/react/macro";
import { lazy, Suspense, useMemo, useState } from "react";
import type { Schema } from "@/api/queries";
import type { Window } from "@/canvas/window";
import { size, sliceNumber } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { ProgressBar } from "@/shared/ui/progress-bar";
import type { Layer, Part, Shape } from "./layers";
import { indexOf, inside, type Voxel } from "./planes";
import { gridOf } from "./scan";
import { useScan, useSlice } from "./use-scan";
import { canShow3d, isFrugal, type ViewProps } from "./view";
import { SlicePicture, VolumePlanes } from "./volume-planes";

const Volume3d = lazy(() => import("./volume-3d"));

/** A scan that is looked at: what of it is here, and where the crosshair is. It opens on a slice, else in the middle. */
export function useLook(volume: Schema<"VolumeAnswer">, firstSlice: number | null) {
  const grid = gridOf(volume);
  const [nz, ny, nx] = grid?.shape ?? [1, 1, 1];
  const [isSmall] = useState(isFrugal);
  const [wantsScan, setWantsScan] = useState(!isSmall);
  const { scan, share, error } = useScan(volume, wantsScan);
  const [at, setAt] = useState<Voxel>(() => inside([nx / 2, ny / 2, firstSlice ?? nz / 2], [nz, ny, nx]));
  const slice = useSlice(volume, at[2], scan === null && !error);
  const canDraw3d = useMemo(() => canShow3d([nz, ny, nx]), [nz, ny, nx]);
  const [failed3d, setFailed3d] = useState(false);
  const part: Part =
    scan === null ? { from: slice.data?.z ?? at[2], shape: [1, ny, nx] } : { from: 0, shape: [nz, ny, nx] };
  return {
    isReady: grid !== null,
    shape: [nz, ny, nx] as Shape,
    bytes: volume.pack?.bytes ?? 0,
    at,
    setAt,
    /** Null while only single slices are here. */
    scan,
    slice: slice.data ?? null,
    /** The slices that are here, of which masks are to be drawn. */
    part,
    share,
    error: error ?? slice.error,
    isLoading: scan === null && wantsScan && !error,
    /** Loads the whole scan where it was not loaded unasked; null where it was. */
    load: wantsScan ? null : () => setWantsScan(true),
    isSmall,
    can3d: canDraw3d && !failed3d,
    on3dFails: () => setFailed3d(true),
  };
}

/** The scan in one or several views, each with its own layers over it. */
export function LookAt({
  look,
  name,
  views,
  opacity,
  window,
  in3d,
}: {
  look: ReturnType<typeof useLook>;
  /** Of what is looked at, for screen readers. */
  name: string;
  views: readonly (readonly [title: string, layers: readonly Layer[]])[];
  opacity: number;
  window: Window;
  in3d: boolean;
}) {
  const { t } = useLingui();
  const { at, setAt, scan, slice, shape } = look;
  const z = at[2];
  const read = scan ?? (slice?.z === z ? slice.scan : null);
  const stored = read?.stored[indexOf(scan === null ? [at[0], at[1], 0] : at, read.shape)];
  const value =
    read === null || stored === undefined
      ? ""
      : Number((stored * read.values.scale + read.values.offset).toFixed(3));
  const place = `${at[0]}, ${at[1]}`;
  const number = sliceNumber(z);
  const bytes = size(look.bytes);
  return (
    <>
      {look.isLoading ? (
        <div className="cm-review-wait">
          <p>
            <Trans>Loading the whole scan ({bytes})</Trans>
          </p>
          <ProgressBar label={t`Loading the scan`} value={Math.round(look.share * 100)} max={100} />
        </div>
      ) : null}
      <div className="cm-review-views" data-beside={views.length > 1}>
        {views.map(([title, layers], index) => {
          const view = { label: `${name}, ${title}`, layers, opacity, window, at, onMove: setAt };
          return (
            <figure key={index} className="cm-review-view">
              <figcaption>{title}</figcaption>
              {scan !== null ? (
                <WholeView {...view} scan={scan} in3d={in3d && look.can3d} onFail={look.on3dFails} />
              ) : slice !== null ? (
                <SlicePicture
                  {...view}
                  scan={slice.scan}
                  z={slice.z}
                  onStep={(by) => setAt(inside([at[0], at[1], z + by], shape))}
                />
              ) : (
                <div className="cm-review-planes cm-review-blank" />
              )}
            </figure>
          );
        })}
      </div>
      {look.load === null ? null : (
        <p>
          <Button onClick={look.load}>
            <Trans>Load the whole scan ({bytes}) for the other planes</Trans>
          </Button>
        </p>
      )}
      {look.can3d ? null : (
        <p className="cm-note">
          <Trans>
            This browser cannot show this scan in 3D (it needs WebGL 2), so here are the three planes.
          </Trans>
        </p>
      )}
      <p className="cm-quiet" data-testid="crosshair">
        <Trans>
          At the crosshair: column and row {place}, slice {number}, value {value}.
        </Trans>
      </p>
    </>
  );
}

function WholeView({ in3d, onFail, ...view }: ViewProps & { in3d: boolean; onFail: () => void }) {
  if (!in3d) return <VolumePlanes {...view} />;
  return (
    <Suspense fallback={<Loading />}>
      <Volume3d {...view} onFail={onFail} />
    </Suspense>
  );
}
