import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Schema } from "@/api/queries";
import { size, sliceNumber } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { type Layer, middleOn } from "./layers";
import { indexOf, inside, type Voxel } from "./planes";
import { gridOf } from "./scan";
import { diceBySlice, estimates as estimatesOf, slicesWith, worstFirst } from "./scores";
import type { ReviewSearch } from "./search";
import { type Shown, ShownFields } from "./shown";
import { SlicePanel } from "./slice-panel";
import { REFERENCE, type Source } from "./sources";
import { useBits, useUncertainty } from "./use-bytes";
import { useLayers } from "./use-layers";
import { useScan, useSlice } from "./use-scan";
import { Verdict } from "./verdict";
import { canShow3d, isFrugal, type ViewProps } from "./view";
import { SlicePicture, VolumePlanes } from "./volume-planes";
import { WindowFields } from "./window-fields";

const Volume3d = lazy(() => import("./volume-3d"));

const NONE = "";

/** One organ of one scan on the desk: what is shown, how, and what is said about it. */
export function Desk({
  projectId,
  volume,
  name,
  sources,
  search,
}: {
  projectId: string;
  volume: Schema<"VolumeAnswer">;
  name: string;
  sources: readonly Source[];
  search: ReviewSearch;
}) {
  const { t } = useLingui();
  const grid = gridOf(volume);
  const [nz, ny, nx] = grid?.shape ?? [1, 1, 1];

  const [firstId, setFirstId] = useState(search.mask);
  const [secondId, setSecondId] = useState<string | null>(null);
  const first = sources.find(({ id }) => id === firstId) ?? sources[0];
  // Unless somebody chose: the reference, else another mask.
  const others = sources.filter((one) => one !== first);
  const second =
    secondId === NONE
      ? undefined
      : (others.find(({ id }) => id === secondId) ?? others.find(({ id }) => id === REFERENCE) ?? others[0]);
  const firstBits = useBits(first);
  const secondBits = useBits(second);

  const [isSmall] = useState(isFrugal);
  const [wantsScan, setWantsScan] = useState(!isSmall);
  const { scan, share, error } = useScan(volume, wantsScan);
  const [shown, setShown] = useState<Shown>({
    first: true,
    second: true,
    estimates: false,
    doubt: false,
    beside: false,
    in3d: !isSmall,
  });
  const [opacity, setOpacity] = useState(0.5);
  const own = volume.window ?? { low: 0, high: 1 };
  const [window, setWindow] = useState(own);
  const [at, setAt] = useState<Voxel>(() => inside([nx / 2, ny / 2, search.slice ?? nz / 2], [nz, ny, nx]));
  const slice = useSlice(volume, at[2], scan === null && !error);
  const can3d = useMemo(() => canShow3d([nz, ny, nx]), [nz, ny, nx]);
  const [failed3d, setFailed3d] = useState(false);
  const is3d = can3d && !failed3d && shown.in3d;
  const onFail = useCallback(() => setFailed3d(true), []);

  const predicted = first?.made?.predicted_iou;
  const estimates = useMemo(() => (predicted ? estimatesOf(predicted, nz) : null), [predicted, nz]);
  const dice = useMemo(
    () => (firstBits.data && secondBits.data ? diceBySlice(firstBits.data, secondBits.data, nz) : null),
    [firstBits.data, secondBits.data, nz],
  );

  /** To a slice, and there to the organ. */
  function jump(z: number): void {
    const masks = [firstBits.data, secondBits.data].filter((bits) => bits != null);
    const [x, y] = middleOn(masks, [nz, ny, nx], z) ?? at;
    setAt([x, y, z]);
  }
  const begun = useRef(false);
  const bits = second !== undefined && secondBits.isPending ? undefined : firstBits.data;
  useEffect(() => {
    // It opens where the address says, else at the worst slice, else in the middle of the mask.
    if (!bits || begun.current) return;
    begun.current = true;
    const covered = slicesWith(bits, nz);
    const found = worstFirst(dice ?? estimates ?? [])[0] ?? covered[Math.floor(covered.length / 2)];
    jump(search.slice === null ? (found ?? at[2]) : at[2]);
  }, [bits]);

  const doubt = useUncertainty(first, shown.doubt);
  const layers = useLayers({
    part:
      scan === null ? { from: slice.data?.z ?? at[2], shape: [1, ny, nx] } : { from: 0, shape: [nz, ny, nx] },
    first: { name: first?.name ?? "", bits: shown.first ? (firstBits.data ?? null) : null },
    estimates: shown.estimates ? estimates : null,
    doubt: shown.doubt ? (doubt.data ?? null) : null,
    second: { name: second?.name ?? "", bits: shown.second ? (secondBits.data ?? null) : null },
  });
  const together = useMemo(() => [...layers.second, ...layers.first], [layers]);

  if (grid === null || first === undefined) {
    return <p className="cm-note">{t`This scan is not ready. Try again in a minute.`}</p>;
  }
  const firstName = first.name;
  const secondName = second?.name ?? "";
  const views: readonly (readonly [name: string, layers: readonly Layer[]])[] =
    shown.beside && second !== undefined
      ? [
          [firstName, layers.first],
          [secondName, layers.second],
        ]
      : [[second === undefined ? firstName : t`${firstName} and ${secondName}`, together]];
  const z = at[2];
  const place = `${at[0]}, ${at[1]}`;
  const number = sliceNumber(z);
  const read = scan ?? (slice.data?.z === z ? slice.data.scan : null);
  const stored = read?.stored[indexOf(scan === null ? [at[0], at[1], 0] : at, read.shape)];
  const value =
    read === null || stored === undefined
      ? ""
      : Number((stored * read.values.scale + read.values.offset).toFixed(3));
  const bytes = size(volume.pack?.bytes ?? 0);

  return (
    <div className="cm-stack">
      <div className="cm-review-choices">
        <NativeSelect
          label={t`Show`}
          value={first.id}
          onChange={(event) => setFirstId(event.currentTarget.value)}
          data={sources.map(({ id, name: label }) => ({ value: id, label }))}
        />
        <NativeSelect
          label={t`Compare with`}
          value={second?.id ?? NONE}
          onChange={(event) => setSecondId(event.currentTarget.value)}
          data={[
            { value: NONE, label: t`Nothing` },
            ...others.map(({ id, name: label }) => ({ value: id, label })),
          ]}
        />
        <div className="cm-row">
          {first.mask === null ? null : (
            <Verdict key={first.id} projectId={projectId} mask={first.mask} z={z} slices={nz} />
          )}
          <LinkButton variant="secondary" href={`${first.address}/file`} download>
            <Trans>Download</Trans>
          </LinkButton>
        </div>
      </div>
      <ProblemNote error={error ?? slice.error ?? firstBits.error ?? secondBits.error ?? doubt.error} />
      {scan === null && wantsScan && !error ? (
        <div className="cm-review-wait">
          <p>
            <Trans>Loading the whole scan ({bytes})</Trans>
          </p>
          <ProgressBar label={t`Loading the scan`} value={Math.round(share * 100)} max={100} />
        </div>
      ) : null}
      <div className="cm-review-views" data-beside={views.length > 1}>
        {views.map(([title, ofView], index) => {
          const view = { label: `${name}, ${title}`, layers: ofView, opacity, window, at, onMove: setAt };
          return (
            <figure key={index} className="cm-review-view">
              <figcaption>{title}</figcaption>
              {scan !== null ? (
                <WholeView {...view} scan={scan} in3d={is3d} onFail={onFail} />
              ) : slice.data ? (
                <SlicePicture
                  {...view}
                  scan={slice.data.scan}
                  z={slice.data.z}
                  onStep={(by) => setAt(inside([at[0], at[1], z + by], [nz, ny, nx]))}
                />
              ) : (
                <div className="cm-review-planes cm-review-blank" />
              )}
            </figure>
          );
        })}
      </div>
      {wantsScan ? null : (
        <p>
          <Button onClick={() => setWantsScan(true)}>
            <Trans>Load the whole scan ({bytes}) for the other planes</Trans>
          </Button>
        </p>
      )}
      {can3d && !failed3d ? null : (
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
      <SlicePanel
        slices={nz}
        z={z}
        onGo={(to) => setAt([at[0], at[1], to])}
        onJump={jump}
        dice={dice}
        against={secondName}
        estimates={estimates}
      />
      <ShownFields
        projectId={projectId}
        first={first}
        second={second}
        shown={shown}
        can3d={can3d && !failed3d && scan !== null}
        onChange={setShown}
      >
        <div className="cm-review-slider">
          <label htmlFor="review-opacity">
            <Trans>Opacity of the masks: {Math.round(opacity * 100)} %</Trans>
          </label>
          <input
            id="review-opacity"
            type="range"
            min={0}
            max={100}
            value={Math.round(opacity * 100)}
            onChange={(event) => setOpacity(event.currentTarget.valueAsNumber / 100)}
          />
        </div>
        <WindowFields own={own} isCt={volume.modality === "ct"} window={window} onChange={setWindow} />
      </ShownFields>
    </div>
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
