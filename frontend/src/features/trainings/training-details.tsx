import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { percent } from "@/shared/texts/format";
import { originWord } from "@/shared/texts/origins";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { Curve } from "./curve";
import { trainingQuery } from "./queries";
import { networkWord, settingsWord, stepWord, trainingState } from "./words";

/** One training: its steps with their curves and the end of what nnU-Net printed. */
export function TrainingDetails({ projectId, trainingId }: { projectId: string; trainingId: string }) {
  const { t } = useLingui();
  const found = useQuery(trainingQuery(projectId, trainingId));
  if (found.isPending) return <Loading lines={6} />;
  if (found.isError) return <ProblemNote error={found.error} />;
  const { training, labels, results, origins, outdated_references: outdated, steps } = found.data;
  return (
    <section className="cm-card" aria-label={t`Training ${training.name}`}>
      <h2 className="cm-break">{training.name}</h2>
      <p className="cm-quiet">{settingsWord(training.settings)}</p>
      {training.state === "queued" ? <WaitsForWorker /> : null}
      {results.length > 0 ? (
        <Results projectId={projectId} results={results} origins={origins} outdated={outdated} />
      ) : null}
      <ol className="cm-plain-list cm-stack">
        {steps.map((step) => (
          <li key={step.position}>
            <Step step={step} labels={labels} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** The mean Dice of each organ, a column for each configuration and one for all of them together. */
function Results({
  projectId,
  results,
  origins,
  outdated,
}: {
  projectId: string;
  results: readonly Schema<"TrainingResult">[];
  origins: readonly Schema<"ReferenceOrigin">[];
  /** Test scans whose reference was replaced or deleted since. */
  outdated: number;
}) {
  const { t } = useLingui();
  const [first] = results;
  const who = origins.map(originWord).join(", ") || t`not known`;
  return (
    <>
      {outdated > 0 ? (
        <p className="cm-note">
          <Plural
            value={outdated}
            one="The reference of # test scan was replaced or deleted since. The scores are of the one that the dataset was made with."
            other="The references of # test scans were replaced or deleted since. The scores are of those that the dataset was made with."
          />
        </p>
      ) : null}
      <DataTable caption={t`Volume Dice of the test scans: mean ± half of the 95 % interval`} showCaption>
        <thead>
          <tr>
            <th scope="col">{t`Organ`}</th>
            {results.map((one) => (
              <th key={one.key} scope="col" data-number>
                {networkWord(one.configuration)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first?.labels.map(({ label_name }, row) => (
            <tr key={label_name}>
              <th scope="row">{label_name}</th>
              {results.map((one) => (
                <td key={one.key} data-number>
                  <DiceCell dice={one.labels[row]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </DataTable>
      <p className="cm-quiet">
        <Trans>Reference: {who}.</Trans>{" "}
        <Trans>A mean over few scans says little; the report compares two sets of scores with a test.</Trans>
      </p>
      <ul className="cm-plain-list cm-stack">
        {results.map((one) => (
          <li key={one.key}>
            <Link to="/admin/projects/$projectId/report" params={{ projectId }} search={{ a: one.key }}>
              <Trans>See the scores of its test scans: {networkWord(one.configuration)}</Trans>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function DiceCell({ dice }: { dice: Schema<"LabelDice"> | undefined }) {
  if (dice === undefined) return "–";
  return (
    <>
      <span className="cm-nowrap">
        {dice.mean === null || dice.ci === null
          ? "–"
          : `${dice.mean.toFixed(3)}${dice.n < 2 ? "" : ` ± ${dice.ci.toFixed(3)}`}`}
      </span>
      <span className="cm-quiet cm-below cm-nowrap">
        <Trans>n = {dice.n}</Trans>
      </span>
    </>
  );
}

/** Nothing fails without nnU-Net: the job waits, so it has to be said what for. */
function WaitsForWorker() {
  return (
    <p className="cm-note">
      <Trans>
        It waits for a worker that trains. If none takes it, nnU-Net is not installed there:{" "}
        <code>pip install 'crowdmask[train]'</code>, then start Crowdmask again.
      </Trans>
    </p>
  );
}

function Step({ step, labels }: { step: Schema<"TrainingStepDetails">; labels: readonly string[] }) {
  const { t } = useLingui();
  const { words, tone } = trainingState(step.state);
  const name = stepWord(step);
  const { epochs } = step;
  return (
    <>
      <h3>{name}</h3>
      <Status tone={tone}>{words}</Status>
      {step.state === "running" && step.stage === "train" ? (
        <ProgressBar
          label={t`Progress of ${name}`}
          value={Math.round(step.progress * 100)}
          max={100}
          valueText={percent(step.progress)}
        />
      ) : null}
      {step.error !== null ? <p className="cm-break">{step.error}</p> : null}
      {epochs.length > 0 ? (
        <div className="cm-curves">
          <Curve
            title={t`Loss`}
            series={[
              { name: t`training`, values: epochs.map((epoch) => epoch.train_loss) },
              { name: t`validation`, values: epochs.map((epoch) => epoch.val_loss) },
            ]}
          />
          <Curve
            title={t`Pseudo Dice: nnU-Net's quick look, no result`}
            limits={[0, 1]}
            series={labels.map((label, index) => ({
              name: label,
              values: epochs.map((epoch) => epoch.pseudo_dice[index] ?? null),
            }))}
          />
        </div>
      ) : null}
      {step.log !== "" ? (
        <details open={step.state === "running" || step.state === "failed"}>
          <summary>
            <Trans>The end of what nnU-Net printed</Trans>
          </summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
          <pre className="cm-log" tabIndex={0} aria-label={t`Log of ${name}`} role="log" aria-live="off">
            {step.log}
          </pre>
        </details>
      ) : null}
    </>
  );
}
