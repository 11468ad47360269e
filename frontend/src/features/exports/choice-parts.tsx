import { Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, NativeSelect, Radio, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { peopleQuery, type Schema } from "@/api/queries";
import type { Draft, DraftProblem, Source } from "./draft";
import { completionWords, partialWords, problemWords } from "./words";

export interface PartProps {
  readonly draft: Draft;
  readonly problems: readonly DraftProblem[];
  readonly onChange: (changes: Partial<Draft>) => void;
}

export function shown(problems: readonly DraftProblem[], problem: DraftProblem): string | null {
  return problems.includes(problem) ? problemWords(problem) : null;
}

/** The names with this one put in or taken out, in the order of ``all``. */
function toggled(all: readonly string[], chosen: readonly string[], name: string): string[] {
  return all.filter((one) => (one === name ? !chosen.includes(one) : chosen.includes(one)));
}

export function SourcePart({ draft, problems, onChange, projectId }: PartProps & { projectId: string }) {
  const { t } = useLingui();
  const people = useQuery({ ...peopleQuery(projectId), enabled: draft.source === "annotator" });
  return (
    <fieldset className="cm-fieldset cm-part">
      <legend>
        <Trans>Labels from</Trans>
      </legend>
      <Radio.Group
        aria-label={t`Labels from`}
        value={draft.source}
        onChange={(value) => onChange({ source: value as Source })}
      >
        <Stack gap="xs">
          <Radio value="first" label={t`The answer submitted first`} />
          <Radio
            value="median"
            label={t`The median of all answers`}
            description={t`On each slice the median of each edge of all boxes; one bad answer of three moves little.`}
          />
          <Radio value="annotator" label={t`One person`} />
          <Radio
            value="reference"
            label={t`The references`}
            description={t`The masks that came with the scans; nothing that people drew.`}
          />
        </Stack>
      </Radio.Group>
      {draft.source === "annotator" ? (
        <NativeSelect
          label={t`Whose work`}
          value={draft.annotator}
          error={shown(problems, "annotator_missing")}
          onChange={(event) => onChange({ annotator: event.currentTarget.value })}
          data={[
            { value: "", label: t`Please choose` },
            ...(people.data ?? []).map((person) => ({ value: person.account_id, label: person.name })),
          ]}
        />
      ) : null}
    </fieldset>
  );
}

export function LabelsPart({
  draft,
  problems,
  onChange,
  labels,
}: PartProps & { labels: readonly Schema<"LabelAnswer">[] }) {
  const { t } = useLingui();
  const names = labels.map((label) => label.name);
  return (
    <fieldset className="cm-fieldset cm-part">
      <legend>
        <Trans>Organs</Trans>
      </legend>
      <Checkbox
        label={t`All organs of the project`}
        checked={draft.labels === null}
        onChange={(event) => onChange({ labels: event.currentTarget.checked ? null : names })}
      />
      {draft.labels !== null ? (
        <div className="cm-builder-many">
          {names.map((name) => (
            <Checkbox
              key={name}
              label={name}
              checked={draft.labels?.includes(name) ?? false}
              onChange={() => onChange({ labels: toggled(names, draft.labels ?? [], name) })}
            />
          ))}
        </div>
      ) : null}
      <Problem text={shown(problems, "labels_missing")} />
    </fieldset>
  );
}

export function ConditionsPart({
  draft,
  problems,
  onChange,
  volumes,
}: PartProps & { volumes: readonly Schema<"VolumeAnswer">[] }) {
  const { t } = useLingui();
  const isOfPeople = draft.source !== "reference";
  const modalities = [...new Set(volumes.map((volume) => volume.stated?.modality ?? ""))]
    .filter((modality) => modality !== "")
    .sort();
  if (!isOfPeople && modalities.length === 0) return null;
  return (
    <fieldset className="cm-fieldset cm-part">
      <legend>
        <Trans>Conditions</Trans>
      </legend>
      {isOfPeople ? (
        <>
          <div className="cm-builder-pair">
            <TextInput
              label={t`Answers per task, at least`}
              type="number"
              min={1}
              value={draft.annotators}
              error={shown(problems, "annotators_range")}
              onChange={(event) => onChange({ annotators: event.currentTarget.value })}
            />
            <TextInput
              label={t`Agreement of boxes, at least`}
              placeholder={t`not asked for`}
              inputMode="decimal"
              value={draft.agreement}
              error={shown(problems, "agreement_range")}
              onChange={(event) => onChange({ agreement: event.currentTarget.value })}
            />
            <TextInput
              label={t`The model's own score, at least`}
              placeholder={t`not asked for`}
              inputMode="decimal"
              value={draft.predictedIou}
              error={shown(problems, "predicted_iou_range")}
              onChange={(event) => onChange({ predictedIou: event.currentTarget.value })}
            />
          </div>
          <p className="cm-quiet">
            <Trans>
              Both go from 0 to 1; agreement is how much of their boxes two people share. A task with one
              answer has none and stays out when it is asked for.
            </Trans>
          </p>
          <Checkbox
            label={t`Only work that a reviewer has accepted`}
            checked={draft.acceptedOnly}
            onChange={(event) => onChange({ acceptedOnly: event.currentTarget.checked })}
          />
          {draft.acceptedOnly ? null : (
            <Checkbox
              label={t`Work that is not submitted counts too, as far as it is`}
              checked={draft.unfinished}
              onChange={(event) => onChange({ unfinished: event.currentTarget.checked })}
            />
          )}
          {draft.unfinished && !draft.acceptedOnly ? (
            <TextInput
              label={t`Decided slices of unfinished work, at least (%)`}
              type="number"
              min={0}
              max={100}
              value={draft.completeness}
              error={shown(problems, "completeness_range")}
              onChange={(event) => onChange({ completeness: event.currentTarget.value })}
            />
          ) : null}
        </>
      ) : null}
      {modalities.length > 0 ? (
        <Checkbox.Group
          label={t`Only these modalities`}
          description={t`None chosen: all.`}
          value={[...draft.modalities]}
          onChange={(chosen) => onChange({ modalities: chosen })}
        >
          <div className="cm-builder-many cm-builder-below">
            {modalities.map((modality) => (
              <Checkbox key={modality} value={modality} label={modality} />
            ))}
          </div>
        </Checkbox.Group>
      ) : null}
    </fieldset>
  );
}

/** What becomes of slices that nobody decided, and of voxels that several organs claim. */
export function GapsPart({ draft, onChange, projects }: PartProps & { projects: Schema<"Completion"> }) {
  const { t } = useLingui();
  const isOfPeople = draft.source !== "reference";
  return (
    <fieldset className="cm-fieldset cm-part">
      <legend>
        <Trans>Slices that nobody decided</Trans>
      </legend>
      {isOfPeople ? (
        <>
          <Checkbox
            label={t`Only boxes that a person drew or confirmed count`}
            checked={draft.confirmedOnly}
            onChange={(event) => onChange({ confirmedOnly: event.currentTarget.checked })}
          />
          {draft.confirmedOnly ? null : (
            <NativeSelect
              label={t`What is added to them`}
              value={draft.completion}
              onChange={(event) => onChange({ completion: event.currentTarget.value as Draft["completion"] })}
              data={[
                { value: "", label: t`As the project says: ${completionWords(projects)}` },
                ...(["none", "fill", "full"] as const).map((value) => ({
                  value,
                  label: completionWords(value),
                })),
              ]}
            />
          )}
        </>
      ) : null}
      <Radio.Group
        label={t`If some are still undecided`}
        description={t`They are never taken for background.`}
        value={draft.partial}
        onChange={(value) => onChange({ partial: value as Draft["partial"] })}
      >
        <Stack gap="xs" mt="xs">
          {(["drop-volume", "drop-label", "ignore"] as const).map((rule) => (
            <Radio key={rule} value={rule} label={partialWords(rule)} />
          ))}
        </Stack>
      </Radio.Group>
      <NativeSelect
        label={t`A voxel that several organs claim belongs to`}
        value={draft.overlapRule}
        onChange={(event) => onChange({ overlapRule: event.currentTarget.value as Draft["overlapRule"] })}
        data={[
          { value: "smallest-wins", label: t`the organ with the fewest voxels` },
          { value: "label-order", label: t`the organ that stands later in the list` },
        ]}
      />
      {isOfPeople ? (
        <NativeSelect
          label={t`Masks made by`}
          description={t`Those that are not there yet are made before the dataset is written.`}
          value={draft.model}
          onChange={(event) => onChange({ model: event.currentTarget.value as Draft["model"] })}
          data={[
            { value: "", label: t`the model of the masks that are there` },
            { value: "litemedsam", label: "LiteMedSAM" },
            { value: "medsam", label: "MedSAM" },
            { value: "sam-vit-b", label: "SAM ViT-B" },
            { value: "sam-vit-l", label: "SAM ViT-L" },
            { value: "sam-vit-h", label: "SAM ViT-H" },
          ]}
        />
      ) : null}
    </fieldset>
  );
}

export function Problem({ text }: { text: string | null }) {
  if (text === null) return null;
  return (
    <p className="cm-field-error" role="alert">
      {text}
    </p>
  );
}
