import { Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, Group, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { dayAndTime } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { pairsQuery } from "./queries";
import { countOf, foldsOf } from "./words";

type Dataset = Schema<"ExportAnswer">;
type Settings = Schema<"TrainingSettingsForm">;

/** The fields as they are typed. */
interface Draft {
  readonly configurations: readonly Schema<"Configuration">[];
  readonly folds: string;
  readonly epochs: string;
  readonly iterations: string;
  readonly device: NonNullable<Settings["device"]>;
  readonly mirroring: boolean;
  readonly small: boolean;
}

export const PAPER: Draft = {
  configurations: ["3d_fullres"],
  folds: "",
  epochs: "1000",
  iterations: "250",
  device: "auto",
  mirroring: false,
  small: false,
};
export const TRY: Draft = {
  ...PAPER,
  configurations: ["2d"],
  folds: "0",
  epochs: "2",
  iterations: "10",
  small: true,
};

const CONFIGURATIONS = ["2d", "3d_fullres", "3d_lowres"] as const;
const DEVICES = ["auto", "cuda", "cpu"] as const;

/** What is sent; null while a field cannot be used. */
export function settingsOf(draft: Draft): Settings | null {
  const [folds, epochs, iterations] = [
    foldsOf(draft.folds),
    countOf(draft.epochs),
    countOf(draft.iterations),
  ];
  if (folds === null || epochs === null || iterations === null || draft.configurations.length === 0)
    return null;
  return { ...draft, configurations: [...draft.configurations], folds, epochs, iterations };
}

/** Starts the training of a dataset, or of both datasets of a comparison pair. */
export function StartForm({ projectId, datasets }: { projectId: string; datasets: readonly Dataset[] }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const [chosen, setChosen] = useState("");
  const [draft, setDraft] = useState(PAPER);
  const change = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const dataset = datasets.find((one) => one.id === chosen) ?? datasets[0];
  const settings = settingsOf(draft);
  const start = useMutation({
    mutationFn: async ({ id, other, wanted }: { id: string; other: string | null; wanted: Settings }) => {
      const params = { path: { export_id: id } };
      return other === null
        ? [
            await unwrap(
              api.POST("/api/v1/exports/{export_id}/trainings", { params, body: { settings: wanted } }),
            ),
          ]
        : unwrap(
            api.POST("/api/v1/exports/{export_id}/training-pair", {
              params,
              body: { other, settings: wanted },
            }),
          );
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: projectKey(projectId, "trainings") }),
  });
  const pairs = useQuery(pairsQuery(projectId)).data ?? [];
  if (dataset === undefined) return null;
  const begin = (other: string | null) => {
    if (settings !== null) start.mutate({ id: dataset.id, other, wanted: settings });
  };
  const nFolds = dataset.n_folds || 5;
  return (
    <form
      className="cm-form"
      aria-label={t`New training`}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        begin(null);
      }}
    >
      <NativeSelect
        label={t`Dataset`}
        value={dataset.id}
        onChange={(event) => setChosen(event.currentTarget.value)}
        data={datasets.map((one) => ({
          value: one.id,
          label: t`${one.dataset_name}, version ${one.version}, ${dayAndTime(one.created_at)}`,
        }))}
      />
      {dataset.test_cases.length === 0 ? (
        <p className="cm-note">
          <Trans>This dataset has no test scans: it can be trained, but nothing will be scored.</Trans>
        </p>
      ) : null}
      <div className="cm-row">
        <Button size="small" onClick={() => setDraft(PAPER)}>
          <Trans>The paper's setting</Trans>
        </Button>
        <Button size="small" onClick={() => setDraft(TRY)}>
          <Trans>A quick try on a CPU</Trans>
        </Button>
      </div>
      <Checkbox.Group
        label={t`Configurations`}
        description={t`Several are trained one after the other; then they predict together, as an ensemble.`}
        value={[...draft.configurations]}
        error={draft.configurations.length === 0 ? t`Choose at least one.` : null}
        onChange={(chosen) =>
          change({ configurations: CONFIGURATIONS.filter((one) => chosen.includes(one)) })
        }
      >
        <Group mt="xs">
          {CONFIGURATIONS.map((one) => (
            <Checkbox key={one} value={one} label={one} />
          ))}
        </Group>
      </Checkbox.Group>
      <div className="cm-row" data-align="end">
        <TextInput
          label={t`Folds`}
          placeholder={t`all ${nFolds}`}
          value={draft.folds}
          error={foldsOf(draft.folds) === null ? t`Give different numbers, as in 0, 1.` : null}
          onChange={(event) => change({ folds: event.currentTarget.value })}
        />
        <TextInput
          label={t`Epochs`}
          inputMode="numeric"
          value={draft.epochs}
          error={countOf(draft.epochs) === null ? t`Give a whole number from 1 to 10000.` : null}
          onChange={(event) => change({ epochs: event.currentTarget.value })}
        />
        <TextInput
          label={t`Iterations per epoch`}
          inputMode="numeric"
          value={draft.iterations}
          error={countOf(draft.iterations) === null ? t`Give a whole number from 1 to 10000.` : null}
          onChange={(event) => change({ iterations: event.currentTarget.value })}
        />
        <NativeSelect
          label={t`Computes on`}
          value={draft.device}
          onChange={(event) =>
            change({ device: DEVICES.find((one) => one === event.currentTarget.value) ?? "auto" })
          }
          data={[
            { value: "auto", label: t`GPU if there is one` },
            { value: "cuda", label: t`GPU` },
            { value: "cpu", label: t`CPU` },
          ]}
        />
      </div>
      <Checkbox
        label={t`Mirror images (the paper does not)`}
        checked={draft.mirroring}
        onChange={(event) => change({ mirroring: event.currentTarget.checked })}
      />
      <Checkbox
        label={t`Small network: shows that everything works, learns nothing of use`}
        checked={draft.small}
        onChange={(event) => change({ small: event.currentTarget.checked })}
      />
      <ProblemNote error={start.error} />
      <div className="cm-row">
        <Button type="submit" variant="primary" busy={start.isPending} disabled={settings === null}>
          <Trans>Start the training</Trans>
        </Button>
        {othersOf(dataset.id, pairs).map(({ id, differs }) => (
          <PairButton
            key={id}
            version={dataset.version}
            other={datasets.find((one) => one.id === id)?.version ?? 0}
            differs={differs}
            busy={start.isPending}
            disabled={settings === null}
            onClick={() => begin(id)}
          />
        ))}
      </div>
      {start.data ? (
        <p className="cm-note" role="status">
          <Trans>Started. The list below follows it.</Trans>
        </p>
      ) : null}
    </form>
  );
}

/** The datasets that one is compared with, and what differs. */
function othersOf(id: string, pairs: readonly Schema<"DatasetPair">[]) {
  return pairs
    .filter(({ export_id, other_id }) => export_id === id || other_id === id)
    .map(({ export_id, other_id, differs }) => ({ id: export_id === id ? other_id : export_id, differs }));
}

function PairButton({
  version,
  other,
  differs,
  ...button
}: {
  version: number;
  other: number;
  differs: Schema<"Difference">;
  busy: boolean;
  disabled: boolean;
  onClick: () => void;
}) {
  return (
    <Button {...button}>
      {differs === "labels" ? (
        <Trans>
          Train versions {version} and {other}: same scans, other labels
        </Trans>
      ) : (
        <Trans>
          Train versions {version} and {other}: same labels, other scans
        </Trans>
      )}
    </Button>
  );
}
