import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey, type Schema } from "@/api/queries";
import { dayAndTime, percent } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { datasetNumber, exportState, isDatasetName } from "./words";

type Dataset = Schema<"ExportAnswer">;

/** Frozen datasets for nnU-Net v2. */
export function ExportsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const params = { path: { project_id: projectId } };
  const preview = useQuery({
    queryKey: projectKey(projectId, "exports", "preview"),
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/v1/projects/{project_id}/exports/preview", { params, signal, body: {} })),
  });
  const datasets = useQuery({
    queryKey: projectKey(projectId, "exports", "list"),
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/projects/{project_id}/exports", { params, signal })),
    refetchInterval: (query) =>
      query.state.data?.some((one) => one.state === "queued" || one.state === "running") ? 5_000 : false,
  });
  return (
    <>
      <PageHead title={t`Datasets`}>
        <p className="cm-quiet">
          <Trans>
            A dataset is a frozen folder for nnU-Net v2 with a manifest of how every mask was made. It never
            changes; later work goes into the next version.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        <section className="cm-card" aria-label={t`New dataset`}>
          <h2>
            <Trans>New dataset</Trans>
          </h2>
          {preview.isPending ? <Loading lines={2} /> : null}
          <ProblemNote error={preview.error} />
          {preview.data ? <Preview preview={preview.data} projectId={projectId} /> : null}
          {preview.data && preview.data.cases.length > 0 ? <NewDataset projectId={projectId} /> : null}
        </section>
        {datasets.isPending ? <Loading /> : null}
        <ProblemNote error={datasets.error} />
        {datasets.data && datasets.data.length > 0 ? (
          <DataTable caption={t`Datasets, the newest first`}>
            <thead>
              <tr>
                <th scope="col">{t`Dataset`}</th>
                <th scope="col">{t`State`}</th>
                <th scope="col">{t`Holds`}</th>
                <th scope="col">{t`Labels`}</th>
                <th scope="col">{t`Made`}</th>
                <th scope="col">{t`Actions`}</th>
              </tr>
            </thead>
            <tbody>
              {datasets.data.map((one) => (
                <DatasetRow key={one.id} dataset={one} />
              ))}
            </tbody>
          </DataTable>
        ) : null}
      </div>
    </>
  );
}

function Preview({ preview, projectId }: { preview: Schema<"ExportPreview">; projectId: string }) {
  const { cases, left_out: leftOut } = preview;
  return (
    <>
      {cases.length === 0 ? (
        <p>
          <Trans>
            No scan has every organ done yet. A scan goes in when all of its tasks are submitted and their
            masks are made.{" "}
            <Link to="/admin/projects/$projectId" params={{ projectId }}>
              See the progress
            </Link>
          </Trans>
        </p>
      ) : (
        <details>
          <summary>
            <Plural value={cases.length} one="# scan goes in" other="# scans go in" />
          </summary>
          <ul>
            {cases.map((name) => (
              <li key={name}>{name}</li>
            ))}
          </ul>
        </details>
      )}
      {leftOut.length > 0 ? (
        <details open={leftOut.length <= 20}>
          <summary>
            <Plural value={leftOut.length} one="# scan is left out" other="# scans are left out" />
          </summary>
          <LeftOut all={leftOut} />
        </details>
      ) : null}
    </>
  );
}

function LeftOut({ all }: { all: readonly Schema<"LeftOutAnswer">[] }) {
  return (
    <ul>
      {all.map((one) => (
        <li key={one.volume_name}>
          <strong className="cm-break">{one.volume_name}</strong>: {one.reason}
        </li>
      ))}
    </ul>
  );
}

function NewDataset({ projectId }: { projectId: string }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const [name, setName] = useState("");
  const [number, setNumber] = useState("501");
  const create = useMutation({
    mutationFn: (form: Schema<"ExportForm">) =>
      unwrap(
        api.POST("/api/v1/projects/{project_id}/exports", {
          params: { path: { project_id: projectId } },
          body: form,
        }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: projectKey(projectId, "exports") }),
  });
  const datasetId = datasetNumber(number);
  const isNameGood = name.trim() === "" || isDatasetName(name.trim());
  return (
    <form
      className="cm-form"
      aria-label={t`New dataset`}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (datasetId === null || !isNameGood) return;
        create.mutate({ name: name.trim() === "" ? null : name.trim(), dataset_id: datasetId });
      }}
    >
      <div className="cm-row" data-align="end">
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
      <ProblemNote error={create.error} />
      <div>
        <Button
          type="submit"
          variant="primary"
          busy={create.isPending}
          disabled={datasetId === null || !isNameGood}
        >
          <Trans>Freeze and write the dataset</Trans>
        </Button>
      </div>
    </form>
  );
}

function DatasetRow({ dataset }: { dataset: Dataset }) {
  const { t } = useLingui();
  const { words, tone } = exportState(dataset.state);
  const name = t`${dataset.dataset_name}, version ${dataset.version}`;
  return (
    <tr>
      <th scope="row" className="cm-break">
        {name}
        {dataset.manifest_sha256 !== null ? (
          <details>
            <summary className="cm-quiet">
              <Trans>Manifest</Trans>
            </summary>
            <code className="cm-break">sha256 {dataset.manifest_sha256}</code>
          </details>
        ) : null}
      </th>
      <td className="cm-share">
        <Status tone={tone}>{words}</Status>
        {dataset.state === "running" ? (
          <ProgressBar
            label={t`Progress of ${name}`}
            value={Math.round(dataset.progress * 100)}
            max={100}
            valueText={percent(dataset.progress)}
          />
        ) : null}
        {dataset.error !== null ? <div className="cm-break">{dataset.error}</div> : null}
      </td>
      <td>
        <details>
          <summary>
            <Plural value={dataset.cases.length} one="# scan" other="# scans" />
          </summary>
          <ul>
            {dataset.cases.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </details>
        {dataset.left_out.length > 0 ? (
          <details>
            <summary>
              <Plural value={dataset.left_out.length} one="# left out" other="# left out" />
            </summary>
            <LeftOut all={dataset.left_out} />
          </details>
        ) : null}
      </td>
      <td>
        <ul className="cm-plain-list">
          {Object.entries(dataset.labels)
            .sort(([, a], [, b]) => Number(a) - Number(b))
            .map(([label, index]) => (
              <li key={label}>
                {String(index)} {label}
              </li>
            ))}
        </ul>
      </td>
      <td>
        {dayAndTime(dataset.created_at)}
        <div className="cm-quiet">{dataset.created_by}</div>
      </td>
      <td>
        {dataset.state === "done" ? (
          <LinkButton
            size="small"
            href={`/api/v1/exports/${dataset.id}/download`}
            download
            aria-label={t`Download ${name} as zip`}
          >
            <Trans>Download zip</Trans>
          </LinkButton>
        ) : null}
      </td>
    </tr>
  );
}
