import { Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { memo, useCallback, useState } from "react";
import type { Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { DataTable } from "@/shared/ui/table";
import { type Cell, cellOf, shareOf, withCells } from "./selection";

type Volume = Schema<"VolumeAnswer">;
type Label = Schema<"LabelAnswer">;
type Task = Schema<"TaskAnswer">;

const ROWS = 50;

/** Scans down, organs across; every cell, row and column can be chosen. */
export function Matrix({
  volumes,
  labels,
  taskAt,
  chosen,
  onChange,
}: {
  volumes: readonly Volume[];
  labels: readonly Label[];
  taskAt: ReadonlyMap<Cell, Task>;
  chosen: ReadonlySet<Cell>;
  onChange: (change: (before: ReadonlySet<Cell>) => ReadonlySet<Cell>) => void;
}) {
  const { t } = useLingui();
  const [search, setSearch] = useState("");
  const [most, setMost] = useState(ROWS);
  const found = volumes.filter((volume) => volume.name.toLowerCase().includes(search.trim().toLowerCase()));
  const all = found.flatMap((volume) => labels.map((label) => cellOf(volume.id, label.index)));
  const set = useCallback(
    (cells: readonly Cell[], isOn: boolean) => onChange((before) => withCells(before, cells, isOn)),
    [onChange],
  );

  return (
    <section aria-label={t`Scans and organs`} className="cm-stack">
      <div className="cm-row" data-align="end">
        <TextInput
          label={t`Search by scan`}
          type="search"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Button
          onClick={() =>
            set(
              all.filter((cell) => !taskAt.has(cell)),
              true,
            )
          }
        >
          <Trans>Choose all that have no task</Trans>
        </Button>
        <Button variant="plain" onClick={() => onChange(() => new Set())}>
          <Trans>Choose none</Trans>
        </Button>
      </div>
      <DataTable
        caption={t`Scans and organs: choose what to hand out. A cell with a task shows how many people submitted.`}
      >
        <thead className="cm-matrix">
          <tr>
            <th scope="col">
              <Choice label={t`Choose all`} cells={all} chosen={chosen} set={set} shown={t`All`} />
            </th>
            {labels.map((label) => (
              <th key={label.index} scope="col">
                <Choice
                  label={t`Choose ${label.name} in all scans`}
                  cells={found.map((volume) => cellOf(volume.id, label.index))}
                  chosen={chosen}
                  set={set}
                  shown={label.name}
                />
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="cm-matrix">
          {found.slice(0, most).map((volume) => (
            <MatrixRow
              key={volume.id}
              volume={volume}
              labels={labels}
              taskAt={taskAt}
              // A row is drawn again only when one of its own cells changed.
              chosen={labels
                .filter((label) => chosen.has(cellOf(volume.id, label.index)))
                .map((label) => label.index)
                .join(",")}
              set={set}
            />
          ))}
        </tbody>
      </DataTable>
      {found.length > most ? (
        <div>
          <Button onClick={() => setMost(most + 2 * ROWS)}>
            <Trans>
              Show more ({most} of {found.length} scans are shown)
            </Trans>
          </Button>
        </div>
      ) : null}
    </section>
  );
}

const MatrixRow = memo(function MatrixRow({
  volume,
  labels,
  taskAt,
  chosen,
  set,
}: {
  volume: Volume;
  labels: readonly Label[];
  taskAt: ReadonlyMap<Cell, Task>;
  chosen: string;
  set: (cells: readonly Cell[], isOn: boolean) => void;
}) {
  const { t } = useLingui();
  const indices = chosen === "" ? [] : chosen.split(",").map(Number);
  const cells = labels.map((label) => cellOf(volume.id, label.index));
  const chosenCells = new Set(indices.map((index) => cellOf(volume.id, index)));
  return (
    <tr>
      <th scope="row">
        <Choice
          label={t`Choose all of ${volume.name}`}
          cells={cells}
          chosen={chosenCells}
          set={set}
          shown={volume.name}
        />
      </th>
      {labels.map((label) => {
        const cell = cellOf(volume.id, label.index);
        const task = taskAt.get(cell);
        return (
          <td key={label.index}>
            <label>
              <input
                type="checkbox"
                aria-label={t`${label.name} in ${volume.name}`}
                checked={chosenCells.has(cell)}
                onChange={(event) => set([cell], event.currentTarget.checked)}
              />
              {task ? (
                <span className="cm-quiet">
                  <Trans>
                    {task.submitted} of {task.overlap}
                  </Trans>
                </span>
              ) : null}
            </label>
          </td>
        );
      })}
    </tr>
  );
});

/** A box for many cells: all, some or none of them. */
function Choice({
  label,
  cells,
  chosen,
  set,
  shown,
}: {
  label: string;
  cells: readonly Cell[];
  chosen: ReadonlySet<Cell>;
  set: (cells: readonly Cell[], isOn: boolean) => void;
  shown: string;
}) {
  const share = shareOf(chosen, cells);
  return (
    <label>
      <input
        type="checkbox"
        aria-label={label}
        checked={share === "all" && cells.length > 0}
        ref={(element) => {
          if (element !== null) element.indeterminate = share === "some";
        }}
        onChange={(event) => set(cells, event.currentTarget.checked)}
      />
      <span>{shown}</span>
    </label>
  );
}
