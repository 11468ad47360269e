/** Chosen cells of the table volumes x labels, and the requests that make tasks of them. */

/** "volume id:label index" */
export type Cell = string;

export function cellOf(volumeId: string, labelIndex: number): Cell {
  return `${volumeId}:${labelIndex}`;
}

/** With or without these cells. */
export function withCells(
  chosen: ReadonlySet<Cell>,
  cells: readonly Cell[],
  isOn: boolean,
): ReadonlySet<Cell> {
  const changed = new Set(chosen);
  for (const cell of cells) {
    if (isOn) changed.add(cell);
    else changed.delete(cell);
  }
  return changed;
}

/** Whether all, some or none of the cells are chosen: what a checkbox above them shows. */
export function shareOf(chosen: ReadonlySet<Cell>, cells: readonly Cell[]): "all" | "some" | "none" {
  const n = cells.filter((cell) => chosen.has(cell)).length;
  if (n === 0) return "none";
  return n === cells.length ? "all" : "some";
}

export interface TasksRequest {
  readonly volume_ids: string[];
  readonly label_indices: number[];
}

/** As few requests as the API's rectangles allow: volumes with the same labels go together. */
export function requestsFor(chosen: ReadonlySet<Cell>, mostVolumes = 1000): TasksRequest[] {
  const labelsOf = new Map<string, number[]>();
  for (const cell of chosen) {
    const at = cell.lastIndexOf(":");
    const volumeId = cell.slice(0, at);
    labelsOf.set(volumeId, [...(labelsOf.get(volumeId) ?? []), Number(cell.slice(at + 1))]);
  }
  const groups = new Map<string, { volumes: string[]; labels: number[] }>();
  for (const [volumeId, labels] of labelsOf) {
    labels.sort((a, b) => a - b);
    const key = labels.join(",");
    const group = groups.get(key) ?? { volumes: [], labels };
    group.volumes.push(volumeId);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ volumes, labels }) =>
    inParts(volumes, mostVolumes).map((part) => ({ volume_ids: part, label_indices: labels })),
  );
}

export function inParts<T>(all: readonly T[], most: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < all.length; at += most) parts.push(all.slice(at, at + most));
  return parts;
}
