import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema, volumesQuery } from "@/api/queries";
import { originWord } from "@/shared/texts/origins";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { ReferenceDialog } from "./reference-dialog";
import { ReferenceUses } from "./reference-uses";
import { ReferencesArea } from "./references-area";
import { StateDialog } from "./state-dialog";
import { UploadArea } from "./upload-list";
import { shapeWords, spacingWords, stateWords } from "./words";

type Volume = Schema<"VolumeAnswer">;

/** The scans of a project: bring them in, see what became of each. */
export function VolumesPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const queryClient = useQueryClient();
  // A scan that is being read becomes ready within seconds, also where the live stream is cut.
  const volumes = useInfiniteQuery({
    ...volumesQuery(projectId),
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((volume) => volume.state === "ingesting"))
        ? 5_000
        : false,
  });
  const [search, setSearch] = useState("");
  const [asked, setAsked] = useState<Volume | null>(null);
  const [referenceFor, setReferenceFor] = useState<Volume | null>(null);
  const [referenceOff, setReferenceOff] = useState<Volume | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [stating, setStating] = useState<readonly Volume[] | null>(null);
  const remove = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/v1/volumes/{volume_id}", { params: { path: { volume_id: id } } })),
    onSuccess: () => {
      setAsked(null);
      return queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
    },
  });
  const removeReference = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/v1/volumes/{volume_id}/reference", { params: { path: { volume_id: id } } })),
    onSuccess: () => {
      setReferenceOff(null);
      return queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
    },
  });
  async function loadAll(): Promise<Volume[]> {
    let found = await volumes.fetchNextPage({ cancelRefetch: false });
    while (found.hasNextPage && !found.isError) found = await found.fetchNextPage();
    return found.data?.pages.flatMap((page) => page.items) ?? [];
  }
  const all = volumes.data?.pages.flatMap((page) => page.items) ?? [];
  const shown = all.filter((volume) => volume.name.toLowerCase().includes(search.trim().toLowerCase()));
  const shownChosen = shown.filter((volume) => chosen.has(volume.id));
  const ready = all.filter((volume) => volume.state === "ready");
  const withoutTasks = ready.filter((volume) => volume.tasks === 0).length;

  return (
    <>
      <PageHead title={t`Scans`} />
      <div className="cm-stack">
        <UploadArea projectId={projectId} states={new Map(all.map((volume) => [volume.id, volume.state]))} />
        {all.length > 0 ? (
          <ReferencesArea
            projectId={projectId}
            volumes={all}
            isComplete={!volumes.hasNextPage}
            loadAll={loadAll}
          />
        ) : null}
        {volumes.isPending ? <Loading /> : null}
        {volumes.isError ? <ProblemNote error={volumes.error} /> : null}
        {withoutTasks > 0 ? (
          <p className="cm-note">
            <Plural value={withoutTasks} one="# scan has no tasks yet." other="# scans have no tasks yet." />{" "}
            <Link to="/admin/projects/$projectId/tasks" params={{ projectId }}>
              <Trans>Hand out tasks</Trans>
            </Link>
          </p>
        ) : null}
        {volumes.isSuccess && all.length === 0 ? (
          <p>
            <Trans>No scans yet. Choose NIfTI files above; each is checked when it arrives.</Trans>
          </p>
        ) : null}
        {all.length > 0 ? (
          <>
            <TextInput
              label={t`Search by name`}
              type="search"
              maw="24rem"
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
            />
            <div className="cm-row">
              <Button disabled={shownChosen.length === 0} onClick={() => setStating(shownChosen)}>
                <Trans>State patient, modality, licence</Trans>
              </Button>
              <span className="cm-quiet" role="status">
                {shownChosen.length === 0 ? (
                  <Trans>Choose scans in the table.</Trans>
                ) : (
                  <Plural value={shownChosen.length} one="# scan chosen" other="# scans chosen" />
                )}
              </span>
            </div>
            <DataTable caption={t`Scans of the project`}>
              <thead>
                <tr>
                  <th scope="col">
                    <input
                      type="checkbox"
                      className="cm-check"
                      aria-label={t`Choose all scans shown`}
                      checked={shown.length > 0 && shownChosen.length === shown.length}
                      onChange={(event) =>
                        setChosen(
                          new Set(event.currentTarget.checked ? shown.map((volume) => volume.id) : []),
                        )
                      }
                    />
                  </th>
                  <th scope="col">{t`Scan`}</th>
                  <th scope="col">{t`State`}</th>
                  <th scope="col">{t`Size in voxels`}</th>
                  <th scope="col">{t`Spacing`}</th>
                  <th scope="col">{t`Stated`}</th>
                  <th scope="col">{t`Reference`}</th>
                  <th scope="col" data-number>
                    {t`Tasks`}
                  </th>
                  <th scope="col">{t`Actions`}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((volume) => (
                  <VolumeRow
                    key={volume.id}
                    volume={volume}
                    isChosen={chosen.has(volume.id)}
                    onChoose={(isChosen) => {
                      const next = new Set(chosen);
                      if (isChosen) next.add(volume.id);
                      else next.delete(volume.id);
                      setChosen(next);
                    }}
                    onDelete={() => {
                      remove.reset();
                      setAsked(volume);
                    }}
                    onReference={() => setReferenceFor(volume)}
                    onDeleteReference={() => {
                      removeReference.reset();
                      setReferenceOff(volume);
                    }}
                  />
                ))}
              </tbody>
            </DataTable>
            {volumes.hasNextPage ? (
              <div>
                <Button busy={volumes.isFetchingNextPage} onClick={() => void volumes.fetchNextPage()}>
                  <Trans>Load more</Trans>
                </Button>
              </div>
            ) : null}
          </>
        ) : null}
      </div>
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => asked !== null && remove.mutate(asked.id)}
        title={t`Delete ${asked?.name ?? ""}?`}
        confirmLabel={t`Delete`}
        busy={remove.isPending}
        error={remove.error}
      >
        <p>
          <Trans>
            The scan, its reference and its tasks are deleted. This cannot be undone. A scan on which somebody
            has worked stays.
          </Trans>
        </p>
      </Confirm>
      <Confirm
        open={referenceOff !== null}
        onClose={() => setReferenceOff(null)}
        onConfirm={() => referenceOff !== null && removeReference.mutate(referenceOff.id)}
        title={t`Delete the reference of ${referenceOff?.name ?? ""}?`}
        confirmLabel={t`Delete the reference`}
        busy={removeReference.isPending}
        error={removeReference.error}
      >
        <p>
          <Trans>The scan and the work on it stay. This cannot be undone.</Trans>
        </p>
        {referenceOff !== null ? <ReferenceUses volume={referenceOff} /> : null}
      </Confirm>
      {stating !== null ? (
        <StateDialog projectId={projectId} volumes={stating} onClose={() => setStating(null)} />
      ) : null}
      {referenceFor !== null ? (
        <ReferenceDialog volume={referenceFor} onClose={() => setReferenceFor(null)} />
      ) : null}
    </>
  );
}

function VolumeRow({
  volume,
  isChosen,
  onChoose,
  onDelete,
  onReference,
  onDeleteReference,
}: {
  volume: Volume;
  isChosen: boolean;
  onChoose: (isChosen: boolean) => void;
  onDelete: () => void;
  onReference: () => void;
  onDeleteReference: () => void;
}) {
  const { t } = useLingui();
  const { words, tone } = stateWords(volume.state);
  const isRefused = volume.state === "quarantined" || volume.state === "failed";
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          className="cm-check"
          aria-label={t`Choose ${volume.name}`}
          checked={isChosen}
          onChange={(event) => onChoose(event.currentTarget.checked)}
        />
      </td>
      <th scope="row" className="cm-break">
        {volume.state === "ready" ? (
          <Link
            to="/admin/projects/$projectId/scans/$volumeId"
            params={{ projectId: volume.project_id, volumeId: volume.id }}
          >
            {volume.name}
          </Link>
        ) : (
          volume.name
        )}
      </th>
      <td className={isRefused || volume.notices.length > 0 ? "cm-why" : undefined}>
        <Status tone={tone}>{words}</Status>
        {volume.refusal !== null ? <div>{volume.refusal.text}</div> : null}
        {isRefused ? (
          <div className="cm-quiet">
            <Trans>Upload a usable file of this name to replace it, or delete it.</Trans>
          </div>
        ) : null}
        <Notices notices={volume.notices} />
      </td>
      <td>{shapeWords(volume.shape)}</td>
      <td>{spacingWords(volume.spacing)}</td>
      <td className="cm-break">
        <StatedWords stated={volume.stated} />
      </td>
      <td>
        {volume.reference !== null ? (
          <>
            <Trans>yes ({originWord(volume.reference.origin)})</Trans>
            <Notices notices={volume.reference.notices} />
            <div className="cm-row" data-wrap="never">
              <Button
                size="small"
                aria-label={t`Replace the reference of ${volume.name}`}
                onClick={onReference}
              >
                <Trans>Replace</Trans>
              </Button>
              <Button
                size="small"
                variant="danger"
                aria-label={t`Delete the reference of ${volume.name}`}
                onClick={onDeleteReference}
              >
                <Trans>Delete</Trans>
              </Button>
            </div>
          </>
        ) : (
          <Trans>none</Trans>
        )}
      </td>
      <td data-number>{volume.tasks}</td>
      <td>
        <div className="cm-row" data-wrap="never">
          {volume.state === "ready" && volume.reference === null ? (
            <Button size="small" aria-label={t`Add a reference to ${volume.name}`} onClick={onReference}>
              <Trans>Add a reference</Trans>
            </Button>
          ) : null}
          <Button size="small" variant="danger" aria-label={t`Delete ${volume.name}`} onClick={onDelete}>
            <Trans>Delete</Trans>
          </Button>
        </div>
      </td>
    </tr>
  );
}

function StatedWords({ stated }: { stated: Volume["stated"] }) {
  const { t } = useLingui();
  const { patient = "", modality = "", licence = "" } = stated ?? {};
  if (patient === "" && modality === "" && licence === "") {
    return <span className="cm-quiet">{t`nothing yet`}</span>;
  }
  return (
    <>
      {patient === "" ? null : <div>{t`Patient ${patient}`}</div>}
      {modality === "" ? null : <div>{modality}</div>}
      {licence === "" ? null : <div>{licence}</div>}
    </>
  );
}

function Notices({ notices }: { notices: readonly Schema<"NoticeAnswer">[] }) {
  if (notices.length === 0) return null;
  return (
    <ul className="cm-quiet cm-notices">
      {notices.map((notice) => (
        <li key={notice.code}>{notice.text}</li>
      ))}
    </ul>
  );
}
