import { Trans, useLingui } from "@lingui/react/macro";
import "./review.css";
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { projectQuery, type Schema, volumeQuery } from "@/api/queries";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { middleOn } from "./layers";
import { LookAt, useLook } from "./look";
import { slicesWith } from "./scores";
import { SliceSlider } from "./slice-slider";
import { sourcesOf } from "./sources";
import { useBits } from "./use-bytes";
import { useLayers } from "./use-layers";
import { WindowFields } from "./window-fields";

/** One scan by itself: is it the right one, the right way round, and does its reference lie where the organ is? */
export function VolumePage() {
  const { t } = useLingui();
  const { projectId = "", volumeId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  const volume = useQuery(volumeQuery(projectId, volumeId));
  return (
    <>
      <PageHead title={volume.data?.name ?? t`Scan`}>
        <p>
          <Link to="/admin/projects/$projectId/scans" params={{ projectId }}>
            <Trans>All scans</Trans>
          </Link>
        </p>
      </PageHead>
      <ProblemNote error={volume.error} />
      {volume.isPending || project.isPending ? <Loading /> : null}
      {volume.data && project.data ? (
        volume.data.state === "ready" ? (
          <ReadyVolume
            key={volumeId}
            projectId={projectId}
            volume={volume.data}
            labels={project.data.labels}
          />
        ) : (
          <EmptyState title={t`Nothing to see yet`}>
            <p>
              <Trans>The page of all scans says how far this one is.</Trans>
            </p>
          </EmptyState>
        )
      ) : null}
    </>
  );
}

function ReadyVolume({
  projectId,
  volume,
  labels,
}: {
  projectId: string;
  volume: Schema<"VolumeAnswer">;
  labels: readonly Schema<"LabelAnswer">[];
}) {
  const { t } = useLingui();
  const look = useLook(volume, null);
  const { at, setAt, shape } = look;
  const own = volume.window ?? { low: 0, high: 1 };
  const [window, setWindow] = useState(own);
  const [organ, setOrgan] = useState<number | null>(null);
  const [reference] =
    organ === null
      ? []
      : sourcesOf(
          { masks: [], derived: [], predictions: [] },
          { volume: volume.id, label: organ, name: volume.name, prediction: null },
          volume.reference,
        );
  const bits = useBits(reference);
  const isAbsent = bits.data != null && slicesWith(bits.data, shape[0]).length === 0;
  useEffect(() => {
    // To the organ that was chosen.
    if (bits.data == null) return;
    const covered = slicesWith(bits.data, shape[0]);
    const z = covered[Math.floor(covered.length / 2)];
    if (z === undefined) return;
    const [x, y] = middleOn([bits.data], shape, z) ?? at;
    setAt([x, y, z]);
  }, [bits.data]);
  const organName = labels.find(({ index }) => index === organ)?.name ?? "";
  const layers = useLayers({
    part: look.part,
    first: { name: reference?.name ?? "", bits: bits.data ?? null },
    estimates: null,
    doubt: null,
    second: { name: "", bits: null },
  });
  return (
    <div className="cm-stack">
      <div className="cm-review-choices">
        {volume.reference === null ? null : (
          <NativeSelect
            label={t`Reference`}
            value={organ ?? ""}
            onChange={({ currentTarget: { value } }) => setOrgan(value === "" ? null : Number(value))}
            data={[
              { value: "", label: t`Not shown` },
              ...labels.map(({ index, name }) => ({ value: `${index}`, label: name })),
            ]}
          />
        )}
        <WindowFields own={own} isCt={volume.modality === "ct"} window={window} onChange={setWindow} />
      </div>
      {isAbsent ? (
        <p className="cm-note" role="status">
          <Trans>The reference has nothing of this organ.</Trans>
        </p>
      ) : null}
      <ProblemNote error={look.error ?? bits.error} />
      <LookAt
        look={look}
        name={volume.name}
        views={[[reference ? `${organName}, ${reference.name}` : t`The scan alone`, layers.first]]}
        opacity={0.5}
        window={window}
        in3d={!look.isSmall}
      />
      <div className="cm-row">
        <SliceSlider slices={shape[0]} z={at[2]} onGo={(z) => setAt([at[0], at[1], z])} />
      </div>
      {volume.tasks > 0 ? null : (
        <p>
          <Link to="/admin/projects/$projectId/tasks" params={{ projectId }}>
            <Trans>Hand out tasks</Trans>
          </Link>
        </p>
      )}
    </div>
  );
}
