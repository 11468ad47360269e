import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import { projectQuery, type Schema } from "@/api/queries";
import { sliceNumber } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { estimateLayer, FIRST_COLOUR, type Layer, maskLayer, middleOn, SECOND_COLOUR } from "./layers";
import { indexOf, inside, type Voxel } from "./planes";
import { gridOf } from "./scan";
import { diceBySlice, estimates as estimatesOf } from "./scores";
import type { ReviewSearch } from "./search";
import { SendBack } from "./send-back";
import { SlicePanel } from "./slice-panel";
import { fetchBits, type Source } from "./sources";
import { useScan } from "./use-scan";
import { canShow3d, type ViewProps } from "./view";
import { VolumePlanes } from "./volume-planes";
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
  const project = useQuery(projectQuery(projectId));
  const { scan, share, error } = useScan(volume);
  const grid = gridOf(volume);
  const [nz, ny, nx] = grid?.shape ?? [1, 1, 1];

  const [firstId, setFirstId] = useState(search.mask);
  const [secondId, setSecondId] = useState<string | null>(null);
  const first = sources.find(({ id }) => id === firstId) ?? sources[0];
  // Unless somebody chose: the reference, else another person's mask.
  const others = sources.filter((one) => one !== first);
  const second =
    secondId === NONE
      ? undefined
      : (others.find(({ id }) => id === secondId) ?? others.find(({ mask }) => mask === null) ?? others[0]);
  const firstBits = useBits(first);
  const secondBits = useBits(second);

  const [isBeside, setIsBeside] = useState(false);
  const [showsFirst, setShowsFirst] = useState(true);
  const [showsSecond, setShowsSecond] = useState(true);
  const [showsEstimate, setShowsEstimate] = useState(false);
  const [opacity, setOpacity] = useState(0.5);
  const own = volume.window ?? { low: 0, high: 1 };
  const [window, setWindow] = useState(own);
  const [at, setAt] = useState<Voxel>(() => inside([nx / 2, ny / 2, search.slice ?? nz / 2], [nz, ny, nx]));
  const can3d = useMemo(() => canShow3d([nz, ny, nx]), [nz, ny, nx]);
  const [failed3d, setFailed3d] = useState(false);
  const [wants3d, setWants3d] = useState(true);
  const is3d = can3d && !failed3d && wants3d;
  const onFail = useCallback(() => setFailed3d(true), []);
  const [isSendingBack, setIsSendingBack] = useState(false);

  const predicted = first?.mask?.segmentation.predicted_iou;
  const estimates = useMemo(() => (predicted ? estimatesOf(predicted, nz) : null), [predicted, nz]);
  const dice = useMemo(
    () => (firstBits.data && secondBits.data ? diceBySlice(firstBits.data, secondBits.data, nz) : null),
    [firstBits.data, secondBits.data, nz],
  );

  const firstName = first?.name ?? "";
  const secondName = second?.name ?? "";
  const firstLayer = useMemo<readonly Layer[]>(() => {
    if (!firstBits.data || !showsFirst) return [];
    const shape = [nz, ny, nx] as const;
    return showsEstimate && estimates !== null
      ? [estimateLayer(firstName, firstBits.data, shape, estimates)]
      : [maskLayer(firstName, firstBits.data, shape, FIRST_COLOUR)];
  }, [firstBits.data, firstName, showsFirst, showsEstimate, estimates, nz, ny, nx]);
  const secondLayer = useMemo<readonly Layer[]>(
    () =>
      secondBits.data && showsSecond
        ? [maskLayer(secondName, secondBits.data, [nz, ny, nx], SECOND_COLOUR)]
        : [],
    [secondBits.data, secondName, showsSecond, nz, ny, nx],
  );
  const together = useMemo(() => [...secondLayer, ...firstLayer], [firstLayer, secondLayer]);

  if (grid === null || first === undefined) {
    return <p className="cm-note">{t`This scan is not ready. Try again in a minute.`}</p>;
  }
  const role = project.data?.role;
  const mayReturn = first.mask !== null && (role === "admin" || role === "reviewer");
  const views: readonly (readonly [name: string, layers: readonly Layer[]])[] =
    isBeside && second !== undefined
      ? [
          [firstName, firstLayer],
          [secondName, secondLayer],
        ]
      : [[second === undefined ? firstName : t`${firstName} and ${secondName}`, together]];
  const z = at[2];
  const place = `${at[0]}, ${at[1]}`;
  const slice = sliceNumber(z);
  const value =
    scan === null
      ? ""
      : Number(
          ((scan.stored[indexOf(at, scan.shape)] ?? 0) * scan.values.scale + scan.values.offset).toFixed(3),
        );

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
        {mayReturn ? (
          <Button onClick={() => setIsSendingBack(true)}>
            <Trans>Send back</Trans>
          </Button>
        ) : null}
      </div>
      <ProblemNote error={error ?? firstBits.error ?? secondBits.error} />
      {scan === null && !error ? (
        <div className="cm-review-wait">
          <p>
            <Trans>Loading the scan</Trans>
          </p>
          <ProgressBar label={t`Loading the scan`} value={Math.round(share * 100)} max={100} />
        </div>
      ) : null}
      {scan === null ? null : (
        <div className="cm-review-views" data-beside={views.length > 1}>
          {views.map(([title, layers], index) => {
            const view: ViewProps = {
              label: `${name}, ${title}`,
              scan,
              layers,
              opacity,
              window,
              at,
              onMove: setAt,
            };
            return (
              <figure key={index} className="cm-review-view">
                <figcaption>{title}</figcaption>
                {is3d ? (
                  <Suspense fallback={<Loading />}>
                    <Volume3d {...view} onFail={onFail} />
                  </Suspense>
                ) : (
                  <VolumePlanes {...view} />
                )}
              </figure>
            );
          })}
        </div>
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
          At the crosshair: column and row {place}, slice {slice}, value {value}.
        </Trans>
      </p>
      <SlicePanel
        slices={nz}
        z={z}
        onGo={(to) => setAt([at[0], at[1], to])}
        onJump={(to) => {
          const masks = [firstBits.data, secondBits.data].filter((bits) => bits != null);
          const [x, y] = middleOn(masks, grid.shape, to) ?? at;
          setAt([x, y, to]);
        }}
        dice={dice}
        against={secondName}
        estimates={estimates}
      />
      <fieldset className="cm-fieldset">
        <legend>
          <Trans>What is shown</Trans>
        </legend>
        <div className="cm-review-layers">
          <Check label={firstName} colour="first" checked={showsFirst} onChange={setShowsFirst} />
          {second === undefined ? null : (
            <Check label={secondName} colour="second" checked={showsSecond} onChange={setShowsSecond} />
          )}
          {estimates === null ? null : (
            <Check
              label={t`Colour by the model's own estimate`}
              checked={showsEstimate}
              onChange={setShowsEstimate}
            />
          )}
          {second === undefined ? null : (
            <Check label={t`Side by side`} checked={isBeside} onChange={setIsBeside} />
          )}
          {can3d && !failed3d ? <Check label={t`With 3D`} checked={wants3d} onChange={setWants3d} /> : null}
        </div>
        {showsEstimate && estimates !== null ? (
          <div className="cm-review-legend">
            <span>{t`0.5 or less`}</span>
            <span className="cm-review-scale" aria-hidden="true" />
            <span>1</span>
            <span className="cm-quiet">
              <Trans>
                How sure the model is of each slice: one value for all voxels of the mask in a slice. It is no
                measurement.
              </Trans>
            </span>
          </div>
        ) : null}
        <div className="cm-review-choices">
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
        </div>
      </fieldset>
      {isSendingBack && first.mask !== null ? (
        <SendBack
          projectId={projectId}
          mask={first.mask}
          z={z}
          slices={nz}
          onClose={() => setIsSendingBack(false)}
        />
      ) : null}
    </div>
  );
}

function Check({
  label,
  colour,
  checked,
  onChange,
}: {
  label: string;
  colour?: "first" | "second";
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className="cm-review-check">
      <input
        type="checkbox"
        className="cm-check"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      {colour === undefined ? null : (
        <span className="cm-review-swatch" data-colour={colour} aria-hidden="true" />
      )}
      {label}
    </label>
  );
}

/** A mask's bits; kept, because the same id has the same voxels as long as the page is open. */
function useBits(source: Source | undefined) {
  return useQuery({
    queryKey: ["bits", source?.address, source?.mask?.segmentation.mask_sha256],
    queryFn: ({ signal }) => (source === undefined ? null : fetchBits(source, signal)),
    enabled: source !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
}
