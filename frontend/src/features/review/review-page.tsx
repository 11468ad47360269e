import { Trans, useLingui } from "@lingui/react/macro";
import "./review.css";
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { api, unwrap } from "@/api/client";
import { derivedMasksQuery, predictionsQuery } from "@/api/mask-queries";
import { masksQuery, projectKey } from "@/api/queries";
import { EmptyState } from "@/shared/ui/empty-state";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Desk } from "./desk";
import { readSearch } from "./search";
import { chosenSubject, type Found, type Subject, sourcesOf, subjectsOf } from "./sources";

/** Masks in three planes and in 3D, beside each other and beside the reference. */
export function ReviewPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const search = readSearch({ ...useSearch({ strict: false }) });
  const navigate = useNavigate();
  const masks = useQuery(masksQuery(projectId));
  const derived = useQuery(derivedMasksQuery(projectId));
  const predictions = useQuery(predictionsQuery(projectId));
  const found: Found | null =
    masks.data && derived.data && predictions.data
      ? { masks: masks.data, derived: derived.data, predictions: predictions.data }
      : null;
  const subjects = found === null ? [] : subjectsOf(found);
  const subject = chosenSubject(subjects, search);
  const volume = useQuery({
    queryKey: projectKey(projectId, "volume", subject?.volume),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/volumes/{volume_id}", {
          params: { path: { volume_id: subject?.volume ?? "" } },
          signal,
        }),
      ),
    enabled: subject !== null,
  });
  return (
    <>
      <PageHead title={t`Review in 3D`}>
        <p className="cm-quiet">
          <Trans>
            Look at a mask from all sides, beside the reference or another mask. Accept it, or send it back if
            something is missing.
          </Trans>
        </p>
      </PageHead>
      {masks.isPending || derived.isPending || predictions.isPending ? <Loading /> : null}
      <ProblemNote error={masks.error ?? derived.error ?? predictions.error ?? volume.error} />
      {found !== null && subject === null ? (
        <EmptyState title={t`No masks yet`}>
          <p>
            <Trans>A mask is made by itself when somebody submits a task.</Trans>
          </p>
          <Link to="/admin/projects/$projectId" params={{ projectId }}>
            <Trans>See the progress</Trans>
          </Link>
        </EmptyState>
      ) : null}
      {found !== null && subject !== null ? (
        <div className="cm-stack">
          <NativeSelect
            label={t`Scan and organ`}
            maw="32rem"
            value={keyOf(subject)}
            onChange={(event) => {
              const next = subjects.find((one) => keyOf(one) === event.currentTarget.value);
              if (next === undefined) return;
              void navigate({
                to: "/admin/projects/$projectId/review",
                params: { projectId },
                search: {
                  volume: next.volume,
                  label: next.label,
                  ...(next.prediction === null ? {} : { mask: next.prediction }),
                },
                replace: true,
              });
            }}
            data={[
              {
                group: t`Masks of people's boxes`,
                items: options(subjects.filter((one) => !one.prediction)),
              },
              {
                group: t`Predictions, each training's lowest Dice first`,
                items: options(subjects.filter((one) => one.prediction)),
              },
            ].filter(({ items }) => items.length > 0)}
          />
          {volume.data ? (
            <Desk
              // Another organ, or other masks of it, begin anew.
              key={keyOf(subject)}
              projectId={projectId}
              volume={volume.data}
              name={subject.name}
              sources={sourcesOf(found, subject, volume.data.reference)}
              search={search}
            />
          ) : volume.isPending ? (
            <Loading />
          ) : null}
        </div>
      ) : null}
    </>
  );
}

function keyOf({ volume, label, prediction }: Subject): string {
  return `${volume} ${label} ${prediction ?? ""}`;
}

function options(subjects: readonly Subject[]) {
  return subjects.map((one) => ({ value: keyOf(one), label: one.name }));
}
