import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Radio, Stack } from "@mantine/core";
import { useState } from "react";
import type { Schema } from "@/api/queries";
import { dayAndTime, percent } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { LeftOut, Names } from "./preview";
import { useDatasetChanges } from "./queries";
import { exportState, partWords, sourceWords } from "./words";

type Dataset = Schema<"ExportAnswer">;

/** The versions of the dataset, the newest first. */
export function DatasetList({ projectId, datasets }: { projectId: string; datasets: readonly Dataset[] }) {
  const { t } = useLingui();
  const [twinOf, setTwinOf] = useState<Dataset | null>(null);
  return (
    <section aria-label={t`Datasets, the newest first`}>
      <ul className="cm-datasets">
        {datasets.map((one) => (
          <li key={one.id} className="cm-card">
            <Card
              dataset={one}
              pair={datasets.filter((other) => one.pair_id !== null && other.pair_id === one.pair_id)}
              onTwin={() => setTwinOf(one)}
            />
          </li>
        ))}
      </ul>
      {twinOf !== null ? (
        <TwinDialog projectId={projectId} dataset={twinOf} onClose={() => setTwinOf(null)} />
      ) : null}
    </section>
  );
}

function Card({ dataset, pair, onTwin }: { dataset: Dataset; pair: readonly Dataset[]; onTwin: () => void }) {
  const { t } = useLingui();
  const { words, tone } = exportState(dataset.state);
  const name = t`${dataset.dataset_name}, version ${dataset.version}`;
  const others = pair.filter((one) => one.id !== dataset.id).map((one) => one.version);
  return (
    <>
      <div className="cm-dataset-head">
        <h2 className="cm-break">{name}</h2>
        <Status tone={tone}>{words}</Status>
      </div>
      <Progress dataset={dataset} name={name} />
      {dataset.error !== null ? <p className="cm-problem cm-break">{dataset.error}</p> : null}
      <dl className="cm-facts">
        <dt>
          <Trans>Holds</Trans>
        </dt>
        <dd>
          <details>
            <summary>
              <Plural value={dataset.cases.length} one="# scan for training" other="# scans for training" />
            </summary>
            <Names all={dataset.cases} />
          </details>
          {dataset.test_cases.length > 0 ? (
            <details>
              <summary>
                <Plural value={dataset.test_cases.length} one="# for the test" other="# for the test" />
              </summary>
              <Names all={dataset.test_cases} />
            </details>
          ) : null}
          {dataset.n_folds > 0 ? (
            <div>
              <Plural value={dataset.n_folds} one="# fold" other="# folds" />
            </div>
          ) : null}
        </dd>
        <dt>
          <Trans>Organs</Trans>
        </dt>
        <dd className="cm-break">
          {Object.entries(dataset.labels)
            .sort(([, a], [, b]) => Number(a) - Number(b))
            .map(([label, index]) => `${index} ${label}`)
            .join(", ")}
        </dd>
        <dt>
          <Trans>Labels from</Trans>
        </dt>
        <dd>{sourceWords(dataset.choice.source)}</dd>
        {others.length > 0 ? (
          <>
            <dt>
              <Trans>Compares with</Trans>
            </dt>
            <dd>{t`version ${others.join(", ")}`}</dd>
          </>
        ) : null}
        <dt>
          <Trans>Made</Trans>
        </dt>
        <dd>
          {dayAndTime(dataset.created_at)}, {dataset.created_by}
        </dd>
        {dataset.manifest_sha256 !== null ? (
          <>
            <dt>
              <Trans>Manifest</Trans>
            </dt>
            <dd>
              <code className="cm-break">sha256 {dataset.manifest_sha256}</code>
            </dd>
          </>
        ) : null}
      </dl>
      {dataset.outdated_references.length > 0 ? (
        <div className="cm-note">
          <p>
            <Plural
              value={dataset.outdated_references.length}
              one="The reference of # scan was replaced or deleted since. This version stays as it is; a new one takes what is there now."
              other="The references of # scans were replaced or deleted since. This version stays as it is; a new one takes what is there now."
            />
          </p>
          <Names all={dataset.outdated_references} />
        </div>
      ) : null}
      <LeftOut all={dataset.left_out} />
      <div className="cm-row">
        {dataset.state === "done" ? (
          <LinkButton
            size="small"
            href={`/api/v1/exports/${dataset.id}/download`}
            download
            aria-label={t`Download zip: ${name}`}
          >
            <Trans>Download zip</Trans>
          </LinkButton>
        ) : null}
        {dataset.state === "done"
          ? dataset.parts.map((part) => (
              <LinkButton
                key={part}
                size="small"
                variant="secondary"
                href={`/api/v1/exports/${dataset.id}/parts/${part}`}
                download
                aria-label={t`${partWords(part)}: ${name}`}
              >
                {partWords(part)}
              </LinkButton>
            ))
          : null}
        {dataset.choice.source !== "reference" ? (
          <Button size="small" aria-label={t`Make one to compare with: ${name}`} onClick={onTwin}>
            <Trans>Make one to compare with</Trans>
          </Button>
        ) : null}
      </div>
    </>
  );
}

function Progress({ dataset, name }: { dataset: Dataset; name: string }) {
  const { t } = useLingui();
  const isMaking = dataset.state === "making";
  if (!isMaking && dataset.state !== "running") return null;
  const made = t`${dataset.masks_made} of ${dataset.masks_needed} masks are made`;
  return (
    <div className="cm-dataset-progress">
      <ProgressBar
        label={isMaking ? t`Masks for ${name}` : t`Progress of ${name}`}
        value={Math.round(dataset.progress * 100)}
        max={100}
        valueText={isMaking ? made : percent(dataset.progress)}
      />
      {isMaking ? <p className="cm-quiet">{made}</p> : null}
    </div>
  );
}

function TwinDialog({
  projectId,
  dataset,
  onClose,
}: {
  projectId: string;
  dataset: Dataset;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { makeTwin } = useDatasetChanges(projectId);
  const [twin, setTwin] = useState<Schema<"Twin">>("reference");
  const title = t`A dataset to compare version ${dataset.version} with`;
  return (
    <Dialog open onClose={onClose} title={title}>
      <form
        className="cm-form"
        aria-label={title}
        onSubmit={(event) => {
          event.preventDefault();
          makeTwin.mutate({ exportId: dataset.id, twin }, { onSuccess: onClose });
        }}
      >
        <Radio.Group
          label={t`What differs`}
          value={twin}
          onChange={(value) => setTwin(value as Schema<"Twin">)}
        >
          <Stack gap="xs" mt="xs">
            <Radio
              value="reference"
              label={t`The labels: the same scans, test set and folds, with reference labels`}
              description={t`Every scan needs a reference. It shows what the people's labels cost.`}
            />
            <Radio
              value="complete"
              label={t`The scans: only complete ones, with the same test set`}
              description={t`It shows what incomplete scans cost.`}
            />
          </Stack>
        </Radio.Group>
        <p className="cm-quiet">
          <Trans>Both are marked as a pair, so trainings on them can be compared.</Trans>
        </p>
        <ProblemNote error={makeTwin.error} />
        <div className="cm-dialog-actions">
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" variant="primary" busy={makeTwin.isPending}>
            <Trans>Make it</Trans>
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
