import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { percent } from "@/shared/texts/format";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { Curve } from "./curve";
import { trainingQuery } from "./queries";
import { settingsWord, stepWord, trainingState } from "./words";

/** One training: its steps with their curves and the end of what nnU-Net printed. */
export function TrainingDetails({ projectId, trainingId }: { projectId: string; trainingId: string }) {
  const { t } = useLingui();
  const found = useQuery(trainingQuery(projectId, trainingId));
  if (found.isPending) return <Loading lines={6} />;
  if (found.isError) return <ProblemNote error={found.error} />;
  const { training, labels, steps } = found.data;
  return (
    <section className="cm-card" aria-label={t`Training ${training.name}`}>
      <h2 className="cm-break">{training.name}</h2>
      <p className="cm-quiet">{settingsWord(training.settings)}</p>
      {training.state === "queued" ? <WaitsForWorker /> : null}
      {training.scored > 0 ? (
        <p>
          <Link
            to="/admin/projects/$projectId/report"
            params={{ projectId }}
            search={{ a: `training:${training.id}` }}
          >
            <Trans>See the scores of its test scans</Trans>
          </Link>
        </p>
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
