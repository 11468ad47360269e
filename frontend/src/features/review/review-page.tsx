import { Trans, useLingui } from "@lingui/react/macro";
import "./review.css";
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { api, unwrap } from "@/api/client";
import { masksQuery, projectKey } from "@/api/queries";
import { EmptyState } from "@/shared/ui/empty-state";
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
  const masks = useQuery(masksQuery(projectId));
  const subjects = subjectsOf(masks.data ?? []);
  const subject = chosenSubject(subjects, search);
  const keyOf = (one: Subject) => `${one.volume} ${one.label}`;
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
            Look at a mask from all sides, beside the reference or somebody else's mask, and send it back if
            something is missing.
          </Trans>
        </p>
      </PageHead>
      {masks.isPending ? <Loading /> : null}
      <ProblemNote error={masks.error ?? volume.error} />
      {masks.data && subject === null ? (
        <EmptyState title={t`No masks yet`}>
          <p>
            <Trans>A mask is made by itself when somebody submits a task.</Trans>
          </p>
          <Link to="/admin/projects/$projectId" params={{ projectId }}>
            <Trans>See the progress</Trans>
          </Link>
        </EmptyState>
      ) : null}
      {masks.data && subject !== null ? (
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
                search: { volume: next.volume, label: next.label },
                replace: true,
              });
            }}
            data={subjects.map((one) => ({ value: keyOf(one), label: one.name }))}
          />
          {volume.data ? (
            <Desk
              // Another organ, or other masks of it, begin anew.
              key={keyOf(subject)}
              projectId={projectId}
              volume={volume.data}
              name={subject.name}
              sources={sourcesOf(masks.data, subject, volume.data.reference)}
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
