import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, Radio, Stack, TextInput } from "@mantine/core";
import type { Schema } from "@/api/queries";
import { type PartProps, Problem, shown } from "./choice-parts";
import type { TestChoice } from "./draft";

/** Which scans test, and the folds of the others. */
export function SplitPart({
  draft,
  problems,
  onChange,
  volumes,
}: PartProps & { volumes: readonly Schema<"VolumeAnswer">[] }) {
  const { t } = useLingui();
  const able = volumes.filter((volume) => volume.state === "ready" && volume.reference !== null);
  const ready = volumes.filter((volume) => volume.state === "ready");
  const withoutPatient = ready.filter((volume) => (volume.stated?.patient ?? "") === "").length;
  const isSplit = draft.testChoice !== "none" || (draft.folds.trim() !== "" && draft.folds.trim() !== "0");
  return (
    <fieldset className="cm-fieldset cm-part">
      <legend>
        <Trans>Training and test</Trans>
      </legend>
      <Radio.Group
        label={t`Test scans`}
        description={t`They carry reference labels. Scans of one patient are never split.`}
        value={draft.testChoice}
        onChange={(value) => onChange({ testChoice: value as TestChoice })}
      >
        <Stack gap="xs" mt="xs">
          <Radio value="none" label={t`None: all scans are for training`} />
          <Radio value="share" label={t`A share, drawn by the seed`} />
          <Radio value="named" label={t`These scans`} />
        </Stack>
      </Radio.Group>
      {draft.testChoice === "share" ? (
        <TextInput
          label={t`Share of test scans (%)`}
          type="number"
          min={1}
          max={90}
          value={draft.testShare}
          error={shown(problems, "share_range")}
          onChange={(event) => onChange({ testShare: event.currentTarget.value })}
        />
      ) : null}
      {draft.testChoice === "named" ? (
        <>
          {able.length === 0 ? (
            <p className="cm-note">
              <Trans>No scan has a reference, and only those can be tested on.</Trans>
            </p>
          ) : (
            // biome-ignore lint/a11y/useSemanticElements: a fieldset inside a fieldset would be read out as a form of its own.
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
            <div role="group" aria-label={t`Test scans`} className="cm-builder-scroll" tabIndex={0}>
              {able.map((volume) => (
                <Checkbox
                  key={volume.id}
                  label={volume.name}
                  checked={draft.test.includes(volume.id)}
                  onChange={(event) =>
                    onChange({
                      test: event.currentTarget.checked
                        ? [...draft.test, volume.id]
                        : draft.test.filter((id) => id !== volume.id),
                    })
                  }
                />
              ))}
            </div>
          )}
          <Problem text={shown(problems, "test_missing")} />
        </>
      ) : null}
      <div className="cm-builder-pair">
        <TextInput
          label={t`Folds of the training scans`}
          description={t`0: nnU-Net makes its own five`}
          type="number"
          min={0}
          max={100}
          value={draft.folds}
          error={shown(problems, "folds_range")}
          onChange={(event) => onChange({ folds: event.currentTarget.value })}
        />
        <TextInput
          label={t`Seed`}
          description={t`the same one draws the same`}
          type="number"
          min={0}
          value={draft.seed}
          error={shown(problems, "seed_range")}
          onChange={(event) => onChange({ seed: event.currentTarget.value })}
        />
      </div>
      {isSplit && withoutPatient > 0 ? (
        <p className="cm-note">
          <Plural
            value={withoutPatient}
            one="The patient of # scan is not stated: it counts as a patient of its own."
            other="The patients of # scans are not stated: each counts as a patient of its own."
          />
        </p>
      ) : null}
    </fieldset>
  );
}
