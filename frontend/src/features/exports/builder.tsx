import { Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useToasts } from "@/shared/ui/toast";
import { ConditionsPart, GapsPart, LabelsPart, SourcePart } from "./choice-parts";
import { choiceOf, type Draft, draftProblems, EMPTY_DRAFT } from "./draft";
import { Preview } from "./preview";
import { previewQuery, useAllVolumes, useDatasetChanges } from "./queries";
import { SplitPart } from "./split-part";
import { datasetNumber, isDatasetName } from "./words";

/** Between the last change and the question what it gives. */
const PAUSE_MS = 400;

export function DatasetBuilder({
  project,
  onMade,
  onClose,
}: {
  project: Schema<"ProjectAnswer">;
  onMade: () => void;
  /** Null where there is nothing else to look at. */
  onClose: (() => void) | null;
}) {
  const { t } = useLingui();
  const { show } = useToasts();
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT);
  const [name, setName] = useState("");
  const [number, setNumber] = useState("501");
  const volumes = useAllVolumes(project.id);
  const problems = draftProblems(draft);
  const { create } = useDatasetChanges(project.id);

  // While something typed is no choice, what the last good one gives stays on the screen.
  const good = problems.length === 0 ? JSON.stringify(choiceOf(draft)) : null;
  const [lastGood, setLastGood] = useState(() => JSON.stringify(choiceOf(EMPTY_DRAFT)));
  if (good !== null && good !== lastGood) setLastGood(good);
  const [settled] = useDebouncedValue(lastGood, PAUSE_MS);
  const choice = useMemo(() => JSON.parse(settled) as Schema<"ChoiceForm">, [settled]);
  const preview = useQuery(previewQuery(project.id, choice));
  const isBehind = good === null || good !== settled || preview.isPlaceholderData || preview.isPending;

  const datasetId = datasetNumber(number);
  const isNameGood = name.trim() === "" || isDatasetName(name.trim());
  const isReady =
    !isBehind &&
    preview.data !== undefined &&
    preview.data.cases.length > 0 &&
    preview.data.problem === null &&
    datasetId !== null &&
    isNameGood;
  const parts = {
    draft,
    problems,
    onChange: (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes })),
  };

  return (
    <section className="cm-card" aria-label={t`New dataset`}>
      <h2>
        <Trans>New dataset</Trans>
      </h2>
      <form
        className="cm-builder"
        aria-label={t`New dataset`}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!isReady || datasetId === null) return;
          create.mutate(
            { choice, name: name.trim() === "" ? null : name.trim(), dataset_id: datasetId },
            {
              onSuccess: (made) => {
                show({ text: t`Version ${made.version} is frozen and being written.`, tone: "good" });
                onMade();
              },
            },
          );
        }}
      >
        <div className="cm-builder-choice">
          <SourcePart {...parts} projectId={project.id} />
          <LabelsPart {...parts} labels={project.labels} />
          <ConditionsPart {...parts} volumes={volumes} />
          <GapsPart {...parts} projects={project.completion} />
          <SplitPart {...parts} volumes={volumes} />
          <fieldset className="cm-fieldset cm-part">
            <legend>
              <Trans>Name</Trans>
            </legend>
            <div className="cm-builder-pair">
              <TextInput
                label={t`Number of the dataset (nnU-Net)`}
                type="number"
                min={1}
                max={999}
                value={number}
                error={datasetId === null ? t`Give a whole number from 1 to 999.` : null}
                onChange={(event) => setNumber(event.currentTarget.value)}
              />
              <TextInput
                label={t`Name (optional)`}
                placeholder={t`the project's name`}
                maxLength={100}
                value={name}
                error={isNameGood ? null : t`Only letters, digits and _ may be used.`}
                onChange={(event) => setName(event.currentTarget.value)}
              />
            </div>
          </fieldset>
        </div>
        <div className="cm-builder-preview">
          <h3>
            <Trans>What goes in</Trans>
          </h3>
          <ProblemNote error={preview.error} />
          {preview.data ? (
            <Preview preview={preview.data} projectId={project.id} isBehind={isBehind} />
          ) : null}
          <ProblemNote error={create.error} />
          <div className="cm-row">
            <Button type="submit" variant="primary" busy={create.isPending} disabled={!isReady}>
              <Trans>Freeze and write the dataset</Trans>
            </Button>
            {onClose === null ? null : (
              <Button onClick={onClose}>
                <Trans>Cancel</Trans>
              </Button>
            )}
          </div>
        </div>
      </form>
    </section>
  );
}
