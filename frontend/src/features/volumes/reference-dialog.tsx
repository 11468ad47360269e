import { Trans, useLingui } from "@lingui/react/macro";
import { FileInput, NativeSelect } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError } from "@/api/problem";
import { projectKey, type Schema } from "@/api/queries";
import { sendFile } from "@/api/upload";
import { ORIGINS, type Origin, originWord } from "@/shared/texts/origins";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { ReferenceUses } from "./reference-uses";

/** A mask that came with a scan: masks made here are compared with it. Of a scan that has one, another in its place. */
export function ReferenceDialog({
  volume,
  onClose,
}: {
  volume: Schema<"VolumeAnswer">;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const [file, setFile] = useState<File | null>(null);
  const [origin, setOrigin] = useState<Origin | "">("");
  const [share, setShare] = useState(0);
  const [replaces] = useState(volume.reference !== null);
  const send = useMutation({
    mutationFn: ({ chosen, assumeAffine }: { chosen: File; assumeAffine: boolean }) => {
      const query = new URLSearchParams({ origin });
      if (assumeAffine) query.set("assume_affine", "true");
      return sendFile<Schema<"ReferenceAnswer">>(`/api/v1/volumes/${volume.id}/reference?${query}`, chosen, {
        method: replaces ? "PUT" : "POST",
        onProgress: setShare,
      });
    },
    onSuccess: ({ body }) => {
      void queryClient.invalidateQueries({ queryKey: projectKey(volume.project_id) });
      if (body.notices.length === 0) onClose();
    },
  });
  const isUnsaid = send.error instanceof ApiError && send.error.code === "orientation_unknown";
  const isReady = file !== null && origin !== "";

  return (
    <Dialog
      open
      onClose={onClose}
      title={replaces ? t`Replace the reference of ${volume.name}?` : t`Reference for ${volume.name}`}
    >
      {send.data ? (
        <div className="cm-stack">
          <p role="status">
            <Trans>The reference is there. Worth knowing:</Trans>
          </p>
          <ul>
            {send.data.body.notices.map((notice) => (
              <li key={notice.code}>{notice.text}</li>
            ))}
          </ul>
          <Button variant="primary" onClick={onClose}>
            <Trans>Close</Trans>
          </Button>
        </div>
      ) : (
        <form
          className="cm-form"
          aria-label={t`Upload a reference`}
          onSubmit={(event) => {
            event.preventDefault();
            if (file !== null && isReady) send.mutate({ chosen: file, assumeAffine: false });
          }}
        >
          <p>
            <Trans>
              A NIfTI mask on the same grid. Its numbers are those of the organs here: 1 is the first organ, 0
              is the background.
            </Trans>
          </p>
          {replaces ? (
            <>
              <p>
                <Trans>
                  The present one goes only when the new one is accepted. The same file again corrects who
                  made it, and nothing else changes.
                </Trans>
              </p>
              <ReferenceUses volume={volume} />
            </>
          ) : null}
          <FileInput
            label={t`Reference file`}
            placeholder={t`Choose a file (.nii, .nii.gz)`}
            accept=".nii,.nii.gz,.gz"
            value={file}
            onChange={setFile}
            clearable={false}
          />
          <NativeSelect
            label={t`Who made it`}
            description={t`It is said beside every number that is computed with it.`}
            value={origin}
            onChange={(event) => setOrigin(event.currentTarget.value as Origin | "")}
            data={[
              { value: "", label: t`Please choose` },
              ...ORIGINS.map((one) => ({ value: one, label: originWord(one) })),
            ]}
          />
          {send.isPending ? (
            <ProgressBar
              label={t`Upload`}
              value={Math.round(share * 100)}
              max={100}
              valueText={share >= 1 ? t`Being checked` : `${Math.round(share * 100)} %`}
            />
          ) : null}
          <ProblemNote
            error={send.error}
            action={
              isUnsaid && file !== null ? (
                <Button onClick={() => send.mutate({ chosen: file, assumeAffine: true })}>
                  <Trans>Try anyway: the file does not say how it lies</Trans>
                </Button>
              ) : null
            }
          />
          <div className="cm-dialog-actions">
            <Button onClick={onClose}>
              <Trans>Cancel</Trans>
            </Button>
            <Button type="submit" variant="primary" busy={send.isPending} disabled={!isReady}>
              {replaces ? <Trans>Replace</Trans> : <Trans>Upload</Trans>}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
