import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import { MODALITIES, type Stated, sharedStated } from "./stated";

/** What the files do not say: whose the scans are, what made them, under which licence. */
export function StateDialog({
  projectId,
  volumes,
  onClose,
}: {
  projectId: string;
  volumes: readonly Schema<"VolumeAnswer">[];
  onClose: () => void;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const modalitiesId = useId();
  const before = sharedStated(volumes);
  // Only what was touched is sent: a field in which the scans differ stays as it is.
  const [touched, setTouched] = useState<Partial<Stated>>({});
  const save = useMutation({
    mutationFn: (stated: Partial<Stated>) =>
      unwrap(
        api.PATCH("/api/v1/projects/{project_id}/volumes", {
          params: { path: { project_id: projectId } },
          body: { volume_ids: volumes.map((volume) => volume.id), ...stated },
        }),
      ),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
      onClose();
    },
  });
  const field = (name: keyof Stated) => ({
    value: touched[name] ?? before[name] ?? "",
    placeholder: before[name] === null ? t`different; stays as it is` : t`not stated`,
  });
  const title =
    volumes.length === 1 && volumes[0] ? t`About ${volumes[0].name}` : t`About ${volumes.length} scans`;

  return (
    <Dialog open onClose={onClose} title={title}>
      <form
        className="cm-form"
        aria-label={title}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(touched);
        }}
      >
        <TextInput
          label={t`Patient`}
          description={t`A pseudonym, never a name. Scans of one patient are never split between training and test.`}
          maxLength={200}
          autoComplete="off"
          {...field("patient")}
          onChange={(event) => setTouched({ ...touched, patient: event.currentTarget.value })}
        />
        {volumes.length > 1 && touched.patient ? (
          <p className="cm-note">
            <Plural
              value={volumes.length}
              one="# scan will be of this patient."
              other="All # scans will be of this one patient."
            />
          </p>
        ) : null}
        <TextInput
          label={t`Modality`}
          list={modalitiesId}
          maxLength={20}
          autoComplete="off"
          {...field("modality")}
          onChange={(event) => setTouched({ ...touched, modality: event.currentTarget.value })}
        />
        <datalist id={modalitiesId}>
          {MODALITIES.map((modality) => (
            <option key={modality} value={modality} />
          ))}
        </datalist>
        <TextInput
          label={t`Licence`}
          description={t`Under which the scans may be passed on, for example CC BY 4.0.`}
          maxLength={200}
          {...field("licence")}
          onChange={(event) => setTouched({ ...touched, licence: event.currentTarget.value })}
        />
        <p className="cm-quiet">
          <Trans>It stands on the card of datasets that are made from now on.</Trans>
        </p>
        <ProblemNote error={save.error} />
        <div className="cm-dialog-actions">
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button
            type="submit"
            variant="primary"
            busy={save.isPending}
            disabled={Object.keys(touched).length === 0}
          >
            <Trans>Save</Trans>
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
