import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Schema } from "@/api/queries";
import { LinkButton } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { type Layer, middleOn } from "./layers";
import { LookAt, useLook } from "./look";
import { diceBySlice, estimates as estimatesOf, slicesWith, worstFirst } from "./scores";
import type { ReviewSearch } from "./search";
import { type Shown, ShownFields } from "./shown";
import { SlicePanel } from "./slice-panel";
import { REFERENCE, type Source } from "./sources";
import { useBits, useUncertainty } from "./use-bytes";
import { useLayers } from "./use-layers";
import { Verdict } from "./verdict";
import { WindowFields } from "./window-fields";

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
  const look = useLook(volume, search.slice);
  const { at, setAt, shape } = look;
  const [nz] = shape;

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

  const [shown, setShown] = useState<Shown>({
    first: true,
    second: true,
    estimates: false,
    doubt: false,
    beside: false,
    in3d: !look.isSmall,
  });
  const [opacity, setOpacity] = useState(0.5);
  const own = volume.window ?? { low: 0, high: 1 };
  const [window, setWindow] = useState(own);

  const predicted = first?.made?.predicted_iou;
  const estimates = useMemo(() => (predicted ? estimatesOf(predicted, nz) : null), [predicted, nz]);
  const dice = useMemo(
    () => (firstBits.data && secondBits.data ? diceBySlice(firstBits.data, secondBits.data, nz) : null),
    [firstBits.data, secondBits.data, nz],
  );

  /** To a slice, and there to the organ. */
  function jump(z: number): void {
    const masks = [firstBits.data, secondBits.data].filter((bits) => bits != null);
    const [x, y] = middleOn(masks, shape, z) ?? at;
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
    part: look.part,
    first: { name: first?.name ?? "", bits: shown.first ? (firstBits.data ?? null) : null },
    estimates: shown.estimates ? estimates : null,
    doubt: shown.doubt ? (doubt.data ?? null) : null,
    second: { name: second?.name ?? "", bits: shown.second ? (secondBits.data ?? null) : null },
  });
  const together = useMemo(() => [...layers.second, ...layers.first], [layers]);

  if (!look.isReady || first === undefined) {
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
      <ProblemNote error={look.error ?? firstBits.error ?? secondBits.error ?? doubt.error} />
      <LookAt look={look} name={name} views={views} opacity={opacity} window={window} in3d={shown.in3d} />
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
        can3d={look.can3d && look.scan !== null}
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
