import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, NativeSelect } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Schema } from "@/api/queries";
import { size } from "@/shared/texts/format";
import { ORIGINS, type Origin, originWord } from "@/shared/texts/origins";
import { Button } from "@/shared/ui/button";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { ChooseFiles, LeftOut } from "./choose-files";
import { scansOf } from "./reference-match";
import { UploadProblem, UploadStatus } from "./upload-list";
import {
  isBusy,
  isReadable,
  MAY_AIM,
  nameFrom,
  targetProblem,
  type Upload,
  type UploadEvent,
} from "./upload-queue";
import { addReferences, dispatch, useQueue } from "./uploads";

type Volume = Schema<"VolumeAnswer">;

/** References for many scans at once: which file belongs to which scan is shown, and can be changed, before one is sent. */
export function ReferencesArea({
  projectId,
  volumes: loaded,
  isComplete,
  loadAll,
}: {
  projectId: string;
  /** As many as are loaded. */
  volumes: readonly Volume[];
  /** Whether these are all. */
  isComplete: boolean;
  /** A file would find no scan that is not loaded. */
  loadAll: () => Promise<readonly Volume[]>;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const queue = useQueue(projectId);
  const uploads = queue.filter((upload) => upload.reference !== null);
  const [isLoading, setIsLoading] = useState(false);
  const volumes = loaded.filter(mayHaveOne);
  const [origin, setOrigin] = useState<Origin | "">("");
  const [unreadable, setUnreadable] = useState<readonly string[]>([]);
  const hasOne = (id: string) => volumes.some((volume) => volume.id === id && volume.reference !== null);
  const chosen = uploads.filter((upload) => upload.state === "chosen");
  const ready = chosen.filter((upload) => targetProblem(uploads, upload, hasOne) === null);
  const act = (event: UploadEvent) => dispatch(projectId, queryClient, event);

  const isWaiting = uploads.length > 0 && !isComplete;
  useEffect(() => {
    if (isWaiting) void loadAll();
  }, [isWaiting]);

  async function take(files: readonly File[]): Promise<void> {
    setIsLoading(true);
    const scans = (await loadAll().finally(() => setIsLoading(false))).filter(mayHaveOne);
    setUnreadable(files.filter((file) => !isReadable(file.name)).map((file) => file.name));
    addReferences(
      projectId,
      queryClient,
      files
        .filter((file) => isReadable(file.name))
        .map((file) => {
          const [only, ...more] = scansOf(file.name, scans);
          return {
            file,
            reference: { volumeId: more.length === 0 ? (only?.id ?? null) : null, replace: false },
          };
        }),
    );
  }

  return (
    <section aria-label={t`Add references`} className="cm-stack">
      <div className="cm-row">
        <ChooseFiles
          filesName={t`Reference files`}
          busy={isLoading}
          take={(files) => {
            void take(files);
          }}
        >
          <Trans>Choose references</Trans>
        </ChooseFiles>
        <span className="cm-quiet">
          <Trans>
            Label maps of scans that are here, as many as you like. Each finds its scan by its name.
          </Trans>
        </span>
      </div>
      <LeftOut names={unreadable} />
      {uploads.length > 0 ? (
        <>
          <DataTable caption={t`References to be uploaded`} showCaption>
            <thead>
              <tr>
                <th scope="col">{t`File`}</th>
                <th scope="col">{t`Scan and state`}</th>
                <th scope="col">{t`Actions`}</th>
              </tr>
            </thead>
            <tbody>
              {uploads.map((upload) => (
                <ReferenceRow
                  key={upload.id}
                  upload={upload}
                  volumes={volumes}
                  problem={upload.state === "chosen" ? targetProblem(uploads, upload, hasOne) : null}
                  isTaken={hasOne(upload.reference?.volumeId ?? "")}
                  act={act}
                />
              ))}
            </tbody>
          </DataTable>
          {chosen.length > 0 ? (
            <div className="cm-row" data-align="end">
              <NativeSelect
                label={t`Who made them`}
                value={origin}
                onChange={(event) => setOrigin(event.currentTarget.value as Origin | "")}
                data={[
                  { value: "", label: t`Please choose` },
                  ...ORIGINS.map((one) => ({ value: one, label: originWord(one) })),
                ]}
              />
              <Button
                variant="primary"
                disabled={ready.length === 0 || origin === ""}
                onClick={() => {
                  if (origin === "") return;
                  act({ type: "start", ids: ready.map((upload) => upload.id), options: { origin } });
                }}
              >
                <Plural value={ready.length} one="Upload # reference" other="Upload # references" />
              </Button>
              {ready.length < chosen.length ? (
                <span className="cm-quiet" role="status">
                  <Plural
                    value={chosen.length - ready.length}
                    one="# file waits for an answer in the table."
                    other="# files wait for an answer in the table."
                  />
                </span>
              ) : null}
            </div>
          ) : null}
          <div className="cm-row">
            {uploads.some((upload) => upload.state === "accepted") ? (
              <Button
                variant="plain"
                onClick={() => {
                  for (const upload of uploads)
                    if (upload.state === "accepted") act({ type: "remove", id: upload.id });
                }}
              >
                <Trans>Clear what is uploaded from this list</Trans>
              </Button>
            ) : null}
            {uploads.some((upload) => upload.state === "waiting" || isBusy(upload)) ? (
              <span className="cm-quiet">
                <Trans>Uploads go on while you look at other pages here. Do not close this tab.</Trans>
              </span>
            ) : null}
          </div>
        </>
      ) : null}
    </section>
  );
}

/** One that was refused has no grid to lie on. */
function mayHaveOne(volume: Volume): boolean {
  return volume.state === "ready" || volume.state === "ingesting";
}

function ReferenceRow({
  upload,
  volumes,
  problem,
  isTaken,
  act,
}: {
  upload: Upload;
  volumes: readonly Volume[];
  problem: ReturnType<typeof targetProblem>;
  /** Whether the scan has a reference already. */
  isTaken: boolean;
  act: (event: UploadEvent) => void;
}) {
  const { t } = useLingui();
  const { id, file, state } = upload;
  const target = upload.reference;
  const scan = volumes.find((volume) => volume.id === target?.volumeId);
  const [isOpen, setIsOpen] = useState(scan === undefined);
  const fitting = scansOf(file.name, volumes);
  const mayAim = MAY_AIM.includes(state);
  return (
    <tr>
      <th scope="row" className="cm-break">
        {file.name}
        <div className="cm-quiet">{size(file.size)}</div>
      </th>
      {/* In one cell: beside another one the state is out of sight on a phone. */}
      <td className="cm-scan-and-state">
        {mayAim && isOpen ? (
          <NativeSelect
            miw="11rem"
            aria-label={t`Scan of ${file.name}`}
            value={target?.volumeId ?? ""}
            onChange={(event) =>
              act({
                type: "aim",
                id,
                target: { volumeId: event.currentTarget.value || null, replace: false },
              })
            }
            data={[
              { value: "", label: t`Please choose` },
              ...[...fitting, ...volumes.filter((volume) => !fitting.includes(volume))].map((volume) => ({
                value: volume.id,
                label: volume.name,
              })),
            ]}
          />
        ) : (
          <div className="cm-row">
            <span className="cm-break">{scan?.name}</span>
            {mayAim ? (
              <Button
                size="small"
                variant="plain"
                aria-label={t`Change the scan of ${file.name}`}
                onClick={() => setIsOpen(true)}
              >
                <Trans>Change</Trans>
              </Button>
            ) : null}
          </div>
        )}
        {problem === null ? null : (
          <Status tone="problem">
            {problem === "missing"
              ? fitting.length > 1
                ? t`Several scans fit: choose one`
                : t`No scan is called so: choose one`
              : problem === "twice"
                ? t`Another file is for this scan too`
                : t`This scan has a reference`}
          </Status>
        )}
        {mayAim && isTaken && problem !== "twice" ? (
          <Checkbox
            mt="xs"
            label={t`Replace its reference; scores of masks against that one are deleted`}
            checked={target?.replace ?? false}
            onChange={(event) => act({ type: "aim", id, target: { replace: event.currentTarget.checked } })}
          />
        ) : null}
        {problem === null ? (
          <div>
            <UploadStatus upload={upload} state="ready" />
          </div>
        ) : null}
        {isBusy(upload) ? (
          <ProgressBar
            label={t`Upload of ${nameFrom(file.name)}`}
            value={Math.round(upload.share * 100)}
            max={100}
          />
        ) : null}
        <UploadProblem upload={upload} act={act} />
      </td>
      <td>
        <div className="cm-row" data-wrap="never">
          {state === "failed" ? (
            <Button
              size="small"
              aria-label={t`Try again: ${file.name}`}
              onClick={() => act({ type: "again", id })}
            >
              <Trans>Try again</Trans>
            </Button>
          ) : null}
          <Button
            size="small"
            variant="plain"
            aria-label={isBusy(upload) ? t`Stop: ${file.name}` : t`Take off this list: ${file.name}`}
            onClick={() => act({ type: "remove", id })}
          >
            {isBusy(upload) ? <Trans>Stop</Trans> : <Trans>Take off this list</Trans>}
          </Button>
        </div>
      </td>
    </tr>
  );
}
