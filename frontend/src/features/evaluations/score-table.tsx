import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import {
  type Column,
  createColumnHelper,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useMemo, useState } from "react";
import type { Schema } from "@/api/queries";
import { originWord } from "@/shared/texts/origins";
import { DataTable } from "@/shared/ui/table";
import { SCORES, scoreValue, scoreWord } from "./words";

type Row = Schema<"EvaluationRow">;
const column = createColumnHelper<Row>();
const NUMBERS = new Set<string>([...SCORES, "slices"]);

/** Every mask against its reference; each column sorts. */
export function ScoreTable({ rows }: { rows: Row[] }) {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const [sorting, setSorting] = useState<SortingState>([]);
  const columns = useMemo(
    () => [
      column.accessor("volume_name", { header: t`Scan` }),
      column.accessor("label_name", {
        header: t`Organ`,
        cell: ({ row }) => `${row.original.label_index} ${row.original.label_name}`,
      }),
      column.accessor("annotator", { header: t`Boxes by` }),
      column.accessor((row) => originWord(row.reference_origin), { id: "origin", header: t`Reference by` }),
      column.accessor("model", { header: t`Model` }),
      ...SCORES.map((name) =>
        column.accessor((row) => row[name] ?? undefined, {
          id: name,
          header: scoreWord(name),
          cell: ({ row }) =>
            name === "volume_dice" && row.original.evaluated_at === null
              ? t`not yet`
              : scoreValue(name, row.original[name]),
          sortUndefined: "last" as const,
        }),
      ),
      column.accessor((row) => row.slices_predicted, {
        id: "slices",
        header: t`Slices: mask / reference`,
        cell: ({ row }) =>
          row.original.slices_predicted === null
            ? "–"
            : `${row.original.slices_predicted} / ${row.original.slices_reference ?? "–"}`,
      }),
      column.display({
        id: "look",
        header: t`Look`,
        cell: ({ row: { original } }) => (
          <Link
            to="/admin/projects/$projectId/review"
            params={{ projectId }}
            search={{
              volume: original.volume_id,
              label: original.label_index,
              mask: original.segmentation_id,
            }}
            aria-label={t`Look at the ${original.label_name} in ${original.volume_name} by ${original.annotator} in 3D`}
          >
            <Trans>Look at it in 3D</Trans>
          </Link>
        ),
      }),
    ],
    [t, projectId],
  );
  const table = useReactTable({
    data: rows,
    columns,
    state: { sorting },
    onSortingChange: setSorting,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  return (
    <DataTable caption={t`Masks compared with the references`} showCaption>
      <thead>
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id}>
            {group.headers.map((header) => (
              <th
                key={header.id}
                scope="col"
                aria-sort={sortOf(header.column)}
                data-number={NUMBERS.has(header.column.id) ? "" : undefined}
              >
                <button type="button" className="cm-sort" onClick={header.column.getToggleSortingHandler()}>
                  {flexRender(header.column.columnDef.header, header.getContext())}
                  <span aria-hidden="true">
                    {" "}
                    {{ asc: "▲", desc: "▼", none: "↕" }[arrowOf(header.column)]}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        ))}
      </thead>
      <tbody>
        {table.getRowModel().rows.map((row) => (
          <tr key={row.original.segmentation_id}>
            {row.getVisibleCells().map((cell, at) =>
              at === 0 ? (
                <th key={cell.id} scope="row" className="cm-break">
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </th>
              ) : (
                <td key={cell.id} data-number={NUMBERS.has(cell.column.id) ? "" : undefined}>
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
}

function arrowOf(sorted: Column<Row>): "asc" | "desc" | "none" {
  return sorted.getIsSorted() || "none";
}

function sortOf(sorted: Column<Row>): "ascending" | "descending" | "none" {
  return { asc: "ascending", desc: "descending", none: "none" }[arrowOf(sorted)] as
    | "ascending"
    | "descending"
    | "none";
}
