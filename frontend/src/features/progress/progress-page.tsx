import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { peopleQuery, projectQuery, type Schema } from "@/api/queries";
import { mayChange } from "@/shared/roles";
import { percent } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { EmptyState } from "@/shared/ui/empty-state";
import { LoadMore } from "@/shared/ui/load-more";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { DataTable } from "@/shared/ui/table";
import { ProgressTableRow } from "./progress-row";
import { type Filters, NO_FILTERS, rowsQuery, summaryQuery, useTakeBack } from "./queries";

interface Asked {
  readonly person: Schema<"PersonOnTask">;
  readonly row: Schema<"ProgressRow">;
}

/** How far every task is, live. */
export function ProgressPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  const summary = useQuery(summaryQuery(projectId));
  const [filters, setFilters] = useState<Filters>(NO_FILTERS);
  const [search] = useDebouncedValue(filters.search, 300);
  const rows = useInfiniteQuery(rowsQuery(projectId, { ...filters, search: search.trim() }));
  const [asked, setAsked] = useState<Asked | null>(null);
  const takeBack = useTakeBack(projectId);
  const isAdmin = mayChange(project.data?.role);
  const all = rows.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered =
    filters.show.length > 0 ||
    filters.labels.length > 0 ||
    [filters.person, filters.search, filters.agreement].some((value) => value !== "");

  return (
    <>
      <PageHead
        title={t`Progress`}
        actions={
          <LinkButton variant="secondary" href={`/api/v1/projects/${projectId}/progress.csv`} download>
            <Trans>Download as CSV</Trans>
          </LinkButton>
        }
      />
      <ProblemNote error={summary.error} />
      {summary.data ? <Tiles summary={summary.data} /> : null}
      {summary.data?.tasks === 0 ? (
        <NoTasks projectId={projectId} summary={summary.data} isAdmin={isAdmin} />
      ) : (
        <>
          <FilterBar
            projectId={projectId}
            labels={project.data?.labels ?? []}
            filters={filters}
            onChange={(changes) => setFilters((before) => ({ ...before, ...changes }))}
          />
          {rows.isPending ? <Loading lines={8} /> : null}
          <ProblemNote error={rows.error} />
          {rows.isSuccess && all.length === 0 ? (
            <EmptyState
              title={t`No task is like that`}
              action={
                isFiltered ? (
                  <Button onClick={() => setFilters(NO_FILTERS)}>
                    <Trans>Show all tasks</Trans>
                  </Button>
                ) : null
              }
            />
          ) : null}
          {all.length > 0 ? (
            <DataTable caption={t`Tasks: one organ in one scan each`}>
              <thead>
                <tr>
                  <th scope="col">{t`Scan`}</th>
                  <th scope="col">{t`Organ`}</th>
                  <th scope="col">{t`Decided slices`}</th>
                  <th scope="col">{t`Submitted`}</th>
                  <th scope="col">{t`State`}</th>
                  <th scope="col">{t`Boxes alike`}</th>
                  <th scope="col">{t`People and what is missing`}</th>
                </tr>
              </thead>
              <tbody>
                {all.map((row) => (
                  <ProgressTableRow
                    key={row.task_id}
                    row={row}
                    projectId={projectId}
                    onTakeBack={
                      isAdmin
                        ? (person) => {
                            takeBack.reset();
                            setAsked({ person, row });
                          }
                        : null
                    }
                  />
                ))}
              </tbody>
            </DataTable>
          ) : null}
          <LoadMore list={rows} />
        </>
      )}
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() =>
          asked !== null && takeBack.mutate(asked.person.assignment_id, { onSuccess: () => setAsked(null) })
        }
        title={t`Take this task back from ${asked?.person.name ?? ""}?`}
        confirmLabel={t`Take back`}
        busy={takeBack.isPending}
        error={takeBack.error}
      >
        <p>
          <Trans>
            {asked?.row.label_name} in {asked?.row.volume_name} becomes free for somebody else. What{" "}
            {asked?.person.name} has saved is kept.
          </Trans>
        </p>
        {asked?.person.state === "submitted" ? (
          <p>
            <Trans>It was submitted already: it no longer counts as done.</Trans>
          </p>
        ) : null}
      </Confirm>
    </>
  );
}

function Tiles({ summary }: { summary: Schema<"ProgressSummary"> }) {
  const { t } = useLingui();
  const tiles = [
    [t`Scans`, String(summary.volumes)],
    [t`Tasks complete`, t`${summary.tasks_complete} of ${summary.tasks}`],
    [t`Slices decided`, percent(summary.share)],
    [t`Reserved now`, String(summary.reserved)],
    [t`Masks`, String(summary.masks)],
  ] as const;
  return (
    <dl className="cm-tiles">
      {tiles.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function NoTasks({
  projectId,
  summary,
  isAdmin,
}: {
  projectId: string;
  summary: Schema<"ProgressSummary">;
  isAdmin: boolean;
}) {
  const { t } = useLingui();
  const hasVolumes = summary.volumes > 0;
  return (
    <EmptyState
      title={t`No tasks yet`}
      action={
        isAdmin ? (
          <Link
            className="cm-button"
            data-variant="primary"
            to={hasVolumes ? "/admin/projects/$projectId/tasks" : "/admin/projects/$projectId/scans"}
            params={{ projectId }}
          >
            {hasVolumes ? <Trans>Hand out tasks</Trans> : <Trans>Upload scans</Trans>}
          </Link>
        ) : null
      }
    >
      <p>
        {hasVolumes ? (
          <Trans>
            A task is one organ in one scan. When tasks are made, this page shows how far each is.
          </Trans>
        ) : (
          <Trans>First upload scans; then make tasks of them.</Trans>
        )}
      </p>
    </EmptyState>
  );
}

function FilterBar({
  projectId,
  labels,
  filters,
  onChange,
}: {
  projectId: string;
  labels: readonly Schema<"LabelAnswer">[];
  filters: Filters;
  onChange: (changes: Partial<Filters>) => void;
}) {
  const { t } = useLingui();
  const people = useQuery(peopleQuery(projectId));
  return (
    <search className="cm-row cm-filters" data-align="end">
      <NativeSelect
        label={t`Show`}
        value={filters.show[0] ?? ""}
        onChange={(event) => {
          const value = event.currentTarget.value as Schema<"TaskFilter"> | "";
          onChange({ show: value === "" ? [] : [value] });
        }}
        data={[
          { value: "", label: t`All tasks` },
          { value: "open", label: t`Not complete` },
          { value: "complete", label: t`Complete` },
          { value: "untouched", label: t`Nobody has begun` },
          { value: "holes", label: t`With holes` },
          { value: "ends", label: t`With an end nobody looked at` },
        ]}
      />
      <NativeSelect
        label={t`Organ`}
        value={String(filters.labels[0] ?? "")}
        onChange={(event) => {
          const value = event.currentTarget.value;
          onChange({ labels: value === "" ? [] : [Number(value)] });
        }}
        data={[
          { value: "", label: t`All` },
          ...labels.map((label) => ({ value: String(label.index), label: label.name })),
        ]}
      />
      <NativeSelect
        label={t`Person`}
        value={filters.person}
        onChange={(event) => onChange({ person: event.currentTarget.value })}
        data={[
          { value: "", label: t`Everybody` },
          ...(people.data ?? []).map((person) => ({ value: person.account_id, label: person.name })),
        ]}
      />
      <NativeSelect
        label={t`Boxes alike`}
        value={filters.agreement}
        onChange={(event) => onChange({ agreement: event.currentTarget.value })}
        data={[
          { value: "", label: t`All` },
          ...["0.5", "0.7", "0.9"].map((most) => ({ value: most, label: t`${most} or less` })),
          { value: "1", label: t`Two people or more` },
        ]}
      />
      <TextInput
        label={t`Search by scan`}
        type="search"
        maxLength={200}
        value={filters.search}
        onChange={(event) => onChange({ search: event.currentTarget.value })}
      />
    </search>
  );
}
