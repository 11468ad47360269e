import { Trans, useLingui } from "@lingui/react/macro";
import "./review.css";
import { NativeSelect } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import {
  maskSubjectsQuery,
  organMasksQuery,
  predictionsQuery,
  volumePredictionsQuery,
} from "@/api/mask-queries";
import { volumeQuery } from "@/api/queries";
import { EmptyState } from "@/shared/ui/empty-state";
import { LoadMore } from "@/shared/ui/load-more";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Desk } from "./desk";
import { readSearch } from "./search";
import { chosenSubject, type Subject, sourcesOf, subjectsOf } from "./sources";

/** Masks in three planes and in 3D, beside each other and beside the reference. */
export function ReviewPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const search = readSearch({ ...useSearch({ strict: false }) });
  const navigate = useNavigate();
  const listed = useQuery(maskSubjectsQuery(projectId));
  const predictions = useInfiniteQuery(predictionsQuery(projectId));
  // One that the address names may stand on a later page. If the address makes no sense, there are none.
  const named = useQuery({
    ...volumePredictionsQuery(projectId, search.volume ?? ""),
    enabled: search.volume !== null,
  });
  const isListed = listed.isSuccess && predictions.isSuccess && (search.volume === null || !named.isPending);
  const subjects = isListed
    ? subjectsOf({
        subjects: listed.data,
        predictions: [...predictions.data.pages.flatMap((page) => page.items), ...(named.data ?? [])],
      })
    : [];
  const subject = chosenSubject(subjects, search);
  const ofOrgan = useQuery({
    ...organMasksQuery(projectId, subject?.volume ?? "", subject?.label ?? 0),
    enabled: subject !== null,
  });
  const predicted = useQuery({
    ...volumePredictionsQuery(projectId, subject?.volume ?? ""),
    enabled: subject !== null,
  });
  const volume = useQuery({ ...volumeQuery(projectId, subject?.volume ?? ""), enabled: subject !== null });
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
      {!isListed && !listed.error && !predictions.error ? <Loading /> : null}
      <ProblemNote
        error={listed.error ?? predictions.error ?? ofOrgan.error ?? predicted.error ?? volume.error}
      />
      {isListed && subject === null ? (
        <EmptyState title={t`No masks yet`}>
          <p>
            <Trans>A mask is made by itself when somebody submits a task.</Trans>
          </p>
          <Link to="/admin/projects/$projectId" params={{ projectId }}>
            <Trans>See the progress</Trans>
          </Link>
        </EmptyState>
      ) : null}
      {subject !== null ? (
        <div className="cm-stack">
          <div className="cm-row" data-align="end">
            <NativeSelect
              label={t`Scan and organ`}
              w="32rem"
              maw="100%"
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
            <LoadMore list={predictions}>
              <Trans>Load more predictions</Trans>
            </LoadMore>
          </div>
          {volume.data && ofOrgan.data && predicted.data ? (
            <Desk
              // Another organ, or other masks of it, begin anew.
              key={keyOf(subject)}
              projectId={projectId}
              volume={volume.data}
              name={subject.name}
              sources={sourcesOf(
                { ...ofOrgan.data, predictions: predicted.data },
                subject,
                volume.data.reference,
              )}
              search={search}
            />
          ) : volume.isPending || ofOrgan.isPending || predicted.isPending ? (
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
