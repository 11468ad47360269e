import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Schema } from "@/api/queries";
import { percent, size } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { ChooseFiles, LeftOut } from "./choose-files";
import { isBusy, isReadable, isUnfinished, nameProblem, type Upload, type UploadEvent } from "./upload-queue";
import { addFiles, dispatch, useQueue } from "./uploads";

type VolumeState = Schema<"VolumeState">;

/** Choose or drop files, name them, send them. */
export function UploadArea({
  projectId,
  states,
}: {
  projectId: string;
  /** Of the project's volumes, by their id. */
  states: ReadonlyMap<string, VolumeState>;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const all = useQueue(projectId);
  const queue = all.filter((upload) => upload.reference === null);
  const [isOver, setIsOver] = useState(false);
  const [unreadable, setUnreadable] = useState<readonly string[]>([]);
  const chosen = queue.filter((upload) => upload.state === "chosen");
  const startable = chosen.filter((upload) => nameProblem(queue, upload) === null).length;

  function take(files: readonly File[]): void {
    const readable = files.filter((file) => isReadable(file.name));
    setUnreadable(files.filter((file) => !isReadable(file.name)).map((file) => file.name));
    if (readable.length > 0) addFiles(projectId, queryClient, readable);
  }

  return (
    <section aria-label={t`Upload scans`}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way; the button is the first. */}
      <div
        className="cm-drop"
        data-over={isOver}
        onDragOver={(event) => {
          event.preventDefault();
          setIsOver(true);
        }}
        onDragLeave={() => setIsOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setIsOver(false);
          take([...event.dataTransfer.files]);
        }}
      >
        <p>
          <Trans>Drop NIfTI files here (.nii, .nii.gz), or</Trans>
        </p>
        <ChooseFiles filesName={t`Scan files`} variant="primary" take={take}>
          <Trans>Choose scans</Trans>
        </ChooseFiles>
        <p className="cm-quiet">
          <Trans>No file may hold names or birth dates of patients: take those out before you upload.</Trans>
        </p>
      </div>
      <LeftOut names={unreadable}>
        <p>
          <Trans>
            DICOM has to become NIfTI first, one file for each series: dcm2niix does that. Of a folder, drop
            the files that are in it.
          </Trans>
        </p>
      </LeftOut>
      {queue.length > 0 ? (
        <>
          <ul className="cm-plain-list cm-uploads" aria-label={t`Uploads`}>
            {queue.map((upload) => (
              <UploadRow
                key={upload.id}
                upload={upload}
                state={upload.volumeId === null ? undefined : states.get(upload.volumeId)}
                nameError={upload.state === "chosen" ? nameProblem(queue, upload) : null}
                act={(event) => dispatch(projectId, queryClient, event)}
              />
            ))}
          </ul>
          <div className="cm-row">
            {chosen.length > 0 ? (
              <Button
                variant="primary"
                disabled={startable === 0}
                onClick={() => dispatch(projectId, queryClient, { type: "start" })}
              >
                <Plural value={startable} one="Upload # scan" other="Upload # scans" />
              </Button>
            ) : null}
            {queue.some((upload) => upload.state === "accepted" || upload.state === "known") ? (
              <Button
                variant="plain"
                onClick={() => {
                  for (const upload of queue) {
                    if (upload.state === "accepted" || upload.state === "known")
                      dispatch(projectId, queryClient, { type: "remove", id: upload.id });
                  }
                }}
              >
                <Trans>Clear what is uploaded from this list</Trans>
              </Button>
            ) : null}
            {isUnfinished(queue) ? (
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

function UploadRow({
  upload,
  state: volumeState,
  nameError,
  act,
}: {
  upload: Upload;
  state: VolumeState | undefined;
  nameError: "missing" | "twice" | null;
  act: (event: UploadEvent) => void;
}) {
  const { t } = useLingui();
  const { id, name, state } = upload;
  return (
    <li className="cm-card cm-upload" aria-label={upload.file.name}>
      <div className="cm-head">
        {state === "chosen" ? (
          <TextInput
            label={t`Name of the scan`}
            description={`${upload.file.name}, ${size(upload.file.size)}`}
            value={name}
            maxLength={200}
            error={
              nameError === "missing"
                ? t`Give it a name.`
                : nameError === "twice"
                  ? t`Another file here has this name.`
                  : null
            }
            onChange={(event) => act({ type: "rename", id, name: event.currentTarget.value })}
          />
        ) : (
          <div>
            <strong className="cm-break">{name}</strong>
            <div className="cm-quiet cm-break">
              {upload.file.name}, {size(upload.file.size)}
            </div>
          </div>
        )}
        <div className="cm-row">
          <UploadStatus upload={upload} state={volumeState} />
          {state === "failed" ? (
            <Button size="small" onClick={() => act({ type: "again", id })}>
              <Trans>Try again</Trans>
            </Button>
          ) : null}
          <Button size="small" variant="plain" onClick={() => act({ type: "remove", id })}>
            {isBusy(upload) ? <Trans>Stop</Trans> : <Trans>Take off this list</Trans>}
          </Button>
        </div>
      </div>
      {isBusy(upload) ? (
        <ProgressBar
          label={t`Upload of ${name}`}
          value={Math.round(upload.share * 100)}
          max={100}
          valueText={percent(upload.share)}
        />
      ) : null}
      <UploadProblem upload={upload} act={act} />
    </li>
  );
}

/** Why a file was not taken, with what can be answered; or what is worth knowing of one that was. */
export function UploadProblem({ upload, act }: { upload: Upload; act: (event: UploadEvent) => void }) {
  const { t } = useLingui();
  const { problem, state, notices } = upload;
  if (notices.length > 0) {
    return (
      <div className="cm-note">
        {notices.map((notice) => (
          <p key={notice}>{notice}</p>
        ))}
      </div>
    );
  }
  if (problem === null || (state !== "refused" && state !== "failed")) return null;
  return (
    <div className="cm-problem" role="alert">
      <p className="cm-problem-what">
        {problem.status === 0 ? t`The server cannot be reached.` : problem.detail || problem.title}
      </p>
      {/* How the file lies is asked below: the hint would say the same twice. */}
      {problem.hint && problem.code !== "orientation_unknown" ? <p>{problem.hint}</p> : null}
      {problem.request_id ? (
        <p className="cm-quiet">
          <Trans>Number of this request: {problem.request_id}</Trans>
        </p>
      ) : null}
      <Answer upload={upload} act={act} />
    </div>
  );
}

/** What the person can answer when the server asked something about the file. */
function Answer({ upload, act }: { upload: Upload; act: (event: UploadEvent) => void }) {
  const { t } = useLingui();
  const { id, problem, name } = upload;
  const [which, setWhich] = useState("0");
  const [typed, setTyped] = useState(name);
  useEffect(() => setTyped(name), [name]);
  if (upload.state !== "refused") return null;
  if (problem?.code === "orientation_unknown") {
    return (
      <>
        <p>
          <Trans>
            If you know that its axes run to the right, the front and the head of the patient, it can be taken
            so. If they do not, left and right are swapped in it.
          </Trans>
        </p>
        <Button onClick={() => act({ type: "again", id, options: { assumeAffine: true } })}>
          <Trans>Try anyway: the file does not say how it lies</Trans>
        </Button>
      </>
    );
  }
  if (problem?.code === "volume_index_needed") {
    const number = Number(which);
    const isWhole = which.trim() !== "" && Number.isInteger(number) && number >= 0;
    return (
      <div className="cm-row" data-align="end">
        <TextInput
          label={t`Which volume of the file (the first is 0)`}
          type="number"
          min={0}
          value={which}
          onChange={(event) => setWhich(event.currentTarget.value)}
        />
        <Button
          disabled={!isWhole}
          onClick={() => act({ type: "again", id, options: { volumeIndex: number } })}
        >
          <Trans>Upload this one</Trans>
        </Button>
      </div>
    );
  }
  if (problem?.code === "name_taken" && upload.reference === null) {
    return (
      <div className="cm-row" data-align="end">
        <TextInput
          label={t`Another name`}
          value={typed}
          maxLength={200}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button
          disabled={typed.trim() === "" || typed.trim() === name.trim()}
          onClick={() => {
            act({ type: "rename", id, name: typed });
            act({ type: "again", id });
          }}
        >
          <Trans>Upload under this name</Trans>
        </Button>
      </div>
    );
  }
  return null;
}

/** `state`: of the scan that came of it; a reference is there as soon as it is accepted. */
export function UploadStatus({ upload, state }: { upload: Upload; state: VolumeState | undefined }) {
  const { t } = useLingui();
  switch (upload.state) {
    case "chosen":
      return <Status>{t`Chosen`}</Status>;
    case "waiting":
      return <Status>{t`Waits its turn`}</Status>;
    case "sending":
      return <Status tone="busy">{t`Being sent: ${percent(upload.share)}`}</Status>;
    case "judging":
      return <Status tone="busy">{t`Being checked`}</Status>;
    case "accepted":
      if (upload.reference !== null) return <Status tone="good">{t`Uploaded`}</Status>;
      if (state === "ready") return <Status tone="good">{t`Ready`}</Status>;
      if (state === "failed") return <Status tone="problem">{t`Could not be read`}</Status>;
      return <Status tone="busy">{t`Uploaded; being read`}</Status>;
    case "known":
      return <Status tone="good">{t`Already here as ${upload.knownAs ?? ""}`}</Status>;
    case "refused":
      return <Status tone="problem">{t`Refused`}</Status>;
    case "failed":
      return <Status tone="problem">{t`Not sent`}</Status>;
  }
}
