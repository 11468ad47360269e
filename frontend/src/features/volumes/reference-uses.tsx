import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";

/** What depends on the reference of a scan, and what becomes of it without this one. */
export function ReferenceUses({ volume }: { volume: Schema<"VolumeAnswer"> }) {
  const { t } = useLingui();
  const found = useQuery({
    queryKey: projectKey(volume.project_id, "reference-uses", volume.reference?.id),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/volumes/{volume_id}/reference/uses", {
          params: { path: { volume_id: volume.id } },
          signal,
        }),
      ),
    staleTime: 0,
  });
  if (found.isPending) return <Loading lines={2} />;
  if (found.isError) return <ProblemNote error={found.error} />;
  const { scores, datasets, trainings } = found.data;
  if (scores === 0 && datasets.length === 0) {
    return (
      <p>
        <Trans>No score and no dataset depends on it.</Trans>
      </p>
    );
  }
  const names = datasets.map((one) => t`${one.dataset_name}, version ${one.version}`).join("; ");
  return (
    <ul>
      {scores > 0 ? (
        <li>
          <Plural
            value={scores}
            one="# score of a mask that was compared with it is deleted."
            other="# scores of masks that were compared with it are deleted."
          />
        </li>
      ) : null}
      {datasets.length > 0 ? (
        <li className="cm-break">
          <Trans>
            Datasets that hold its labels stay as they are, and say that it was replaced or deleted: {names}.
          </Trans>
        </li>
      ) : null}
      {trainings.length > 0 ? (
        <li className="cm-break">
          <Trans>
            Scores of trainings stay, and say that they are of an earlier reference: {trainings.join("; ")}.
          </Trans>
        </li>
      ) : null}
    </ul>
  );
}
