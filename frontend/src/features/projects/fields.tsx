import { Trans, useLingui } from "@lingui/react/macro";
import { Group, Radio, Stack, Textarea, TextInput } from "@mantine/core";
import { type Draft, type DraftProblem, HEADINGS } from "./draft";
import { problemWords } from "./problem-words";

export interface FieldsProps {
  readonly draft: Draft;
  /** Problems to show; empty until the form was sent once. */
  readonly problems: readonly DraftProblem[];
  readonly onChange: (changes: Partial<Draft>) => void;
}

function shown(problems: readonly DraftProblem[], draft: Draft, prefix: string): string | null {
  const found = problems.find((problem) => problem.startsWith(prefix));
  return found === undefined ? null : problemWords(found, draft);
}

export function NameField({ draft, problems, onChange }: FieldsProps) {
  const { t } = useLingui();
  return (
    <TextInput
      label={t`Name of the project`}
      value={draft.name}
      error={shown(problems, draft, "name_")}
      maxLength={200}
      onChange={(event) => onChange({ name: event.currentTarget.value })}
    />
  );
}

export function WindowField({ draft, problems, onChange }: FieldsProps) {
  const { t } = useLingui();
  const error = shown(problems, draft, "window_");
  return (
    <Stack gap="xs">
      <Radio.Group
        label={t`Grey values`}
        description={t`Which values are shown black and which white. People can change it while they look.`}
        value={draft.windowChoice}
        onChange={(value) => onChange({ windowChoice: value as Draft["windowChoice"] })}
      >
        <Stack gap="xs" mt="xs">
          <Radio value="own" label={t`Each scan's own`} />
          <Radio value="soft_tissue" label={t`CT, soft tissue: -160 to 240`} />
          <Radio value="custom" label={t`These two values`} />
        </Stack>
      </Radio.Group>
      {draft.windowChoice === "custom" ? (
        <Group align="start">
          <TextInput
            label={t`Shown black`}
            inputMode="decimal"
            value={draft.low}
            error={error}
            onChange={(event) => onChange({ low: event.currentTarget.value })}
          />
          <TextInput
            label={t`Shown white`}
            inputMode="decimal"
            value={draft.high}
            error={error !== null}
            onChange={(event) => onChange({ high: event.currentTarget.value })}
          />
        </Group>
      ) : null}
    </Stack>
  );
}

export function OverlapField({ draft, problems, onChange }: FieldsProps) {
  const { t } = useLingui();
  return (
    <TextInput
      label={t`People per task`}
      description={t`How many people do the same organ in the same scan. With two or more you can see where they disagree.`}
      type="number"
      min={1}
      max={100}
      w="12rem"
      styles={{ description: { width: "min(36rem, 80vw)" } }}
      value={draft.overlap}
      error={shown(problems, draft, "overlap_")}
      onChange={(event) => onChange({ overlap: event.currentTarget.value })}
    />
  );
}

export function HeadingField({ draft, problems, onChange }: FieldsProps) {
  const { t } = useLingui();
  const isOwn = !HEADINGS.some((heading) => heading === draft.heading);
  return (
    <Stack gap="xs">
      <Radio.Group
        label={t`What is looked for`}
        description={t`The word that stands above the name on a task.`}
        value={isOwn ? "" : draft.heading}
        onChange={(value) => onChange({ heading: value })}
      >
        <Group gap="md" mt="xs">
          <Radio value="Organ" label={t`Organ`} />
          <Radio value="Structure" label={t`Structure`} />
          <Radio value="Tumour" label={t`Tumour`} />
          <Radio value="" label={t`Another word`} />
        </Group>
      </Radio.Group>
      {isOwn ? (
        <TextInput
          label={t`The word`}
          value={draft.heading}
          maxLength={40}
          error={shown(problems, draft, "heading_")}
          onChange={(event) => onChange({ heading: event.currentTarget.value })}
        />
      ) : null}
    </Stack>
  );
}

export function CompletionField({ draft, onChange }: FieldsProps) {
  const { t } = useLingui();
  return (
    <Radio.Group
      label={t`Slices that nobody decided, in datasets`}
      description={t`What a new dataset does unless it says otherwise. What is filled in or guessed is counted on its card.`}
      value={draft.completion}
      onChange={(value) => onChange({ completion: value as Draft["completion"] })}
    >
      <Stack gap="xs" mt="xs">
        <Radio value="none" label={t`Leave them: only slices with a box get a mask`} />
        <Radio value="fill" label={t`Fill in between two pieces of an organ`} />
        <Radio value="full" label={t`Fill in, and guess beyond the ends`} />
      </Stack>
    </Radio.Group>
  );
}

export function CitationField({ draft, onChange }: FieldsProps) {
  const { t } = useLingui();
  return (
    <Textarea
      label={t`How to cite the scans (optional)`}
      description={t`As their makers ask for it. It stands on the card of datasets as it is written here.`}
      autosize
      minRows={2}
      maxRows={12}
      maxLength={5_000}
      value={draft.citation}
      onChange={(event) => onChange({ citation: event.currentTarget.value })}
    />
  );
}

export function ConsentField({ draft, onChange, warn = false }: FieldsProps & { warn?: boolean }) {
  const { t } = useLingui();
  return (
    <Stack gap="xs">
      <Textarea
        label={t`Text to accept before the first task (optional)`}
        description={t`For example what the scans may be used for. Left empty, nobody is asked.`}
        autosize
        minRows={3}
        maxRows={16}
        maxLength={20_000}
        value={draft.consentText}
        onChange={(event) => onChange({ consentText: event.currentTarget.value })}
      />
      {warn ? (
        <p className="cm-note">
          <Trans>When you save a changed text, everybody must accept it again before they go on.</Trans>
        </p>
      ) : null}
    </Stack>
  );
}
