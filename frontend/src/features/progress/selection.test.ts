import { describe, expect, it } from "vitest";
import { cellOf, requestsFor, shareOf, withCells } from "./selection";

const CELLS = [cellOf("v1", 1), cellOf("v1", 2), cellOf("v2", 1), cellOf("v2", 2), cellOf("v3", 2)];

describe("chosen cells", () => {
  it("tell all, some and none apart", () => {
    const some = withCells(new Set(), CELLS.slice(0, 2), true);
    expect(shareOf(some, CELLS)).toBe("some");
    expect(shareOf(some, CELLS.slice(0, 2))).toBe("all");
    expect(shareOf(withCells(some, CELLS, false), CELLS)).toBe("none");
    expect(shareOf(some, [])).toBe("none");
  });

  it("become one request for the scans that have the same organs, and no other task", () => {
    expect(requestsFor(new Set(CELLS))).toEqual([
      { volume_ids: ["v1", "v2"], label_indices: [1, 2] },
      { volume_ids: ["v3"], label_indices: [2] },
    ]);
  });

  it("are asked for in parts that the API takes", () => {
    const many = new Set(Array.from({ length: 5 }, (_, n) => cellOf(`v${n}`, 1)));
    expect(requestsFor(many, 2).map((request) => request.volume_ids.length)).toEqual([2, 2, 1]);
  });
});
