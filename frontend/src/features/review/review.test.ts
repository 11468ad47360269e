import { describe, expect, it } from "vitest";
import { estimateColour, estimateLayer, FIRST_COLOUR, maskLayer, middleOn, type Shape } from "./layers";
import {
  indexOf,
  inside,
  PLANES,
  placeOf,
  planePixels,
  planeSize,
  stepped,
  type Voxel,
  voxelAt,
} from "./planes";
import type { Scan } from "./scan";
import { diceBySlice, estimates, mean, worstFirst } from "./scores";
import { readSearch } from "./search";
import { chosenSubject, type Mask, sourcesOf, subjectsOf } from "./sources";

const SHAPE: Shape = [3, 2, 5];

/** A mask in bits: 10 voxels a slice are two bytes. */
function bitsOf(...voxels: Voxel[]): Uint8Array {
  const bits = new Uint8Array(6);
  for (const [x, y, z] of voxels) {
    const at = y * 5 + x;
    const byte = z * 2 + (at >> 3);
    bits[byte] = (bits[byte] ?? 0) | (0x80 >> (at & 7));
  }
  return bits;
}

const SCAN: Scan = {
  shape: SHAPE,
  spacing: [1, 2, 5],
  values: { scale: 2, offset: -10 },
  stored: Int16Array.from({ length: 30 }, (_, i) => i),
};

describe("scores of slices", () => {
  it("are the Dice of each slice, nothing where neither has a voxel, 0 where only one has", () => {
    const a = bitsOf([0, 0, 0], [1, 0, 0], [4, 1, 2]);
    const b = bitsOf([1, 0, 0]);
    expect(diceBySlice(a, b, 3)).toEqual([2 / 3, null, 0]);
    expect(() => diceBySlice(a, b.subarray(2), 3)).toThrow("different scans");
  });

  it("lead from the worst to the best, and leave out what is not known", () => {
    expect(worstFirst([0.5, null, 0.2, 0.5, 1])).toEqual([2, 0, 3, 4]);
    expect(worstFirst([null])).toEqual([]);
    expect(mean([0.5, null, 1])).toBe(0.75);
    expect(mean([null])).toBeNull();
    expect(estimates({ 1: 0.25, 2: 0.75 }, 3)).toEqual([null, 0.25, 0.75]);
  });
});

describe("layers", () => {
  it("have a number for each voxel of the mask", () => {
    const { values, colours } = maskLayer("mask", bitsOf([0, 0, 0], [4, 1, 2]), SHAPE, FIRST_COLOUR);
    expect([...values.keys()].filter((at) => values[at] !== 0)).toEqual([0, 29]);
    expect(colours[1]).toEqual(FIRST_COLOUR);
  });

  it("colour a slice by the estimate of it: blue is sure, vermilion is doubtful", () => {
    const bits = bitsOf([0, 0, 0], [0, 0, 1], [0, 0, 2]);
    const { values, colours } = estimateLayer("mask", bits, SHAPE, [0.3, 0.75, 1]);
    const colourAt = (z: number) => colours[values[indexOf([0, 0, z], SHAPE)] ?? 0];
    expect(colourAt(0)).toEqual(estimateColour(0));
    expect(colourAt(1)).toEqual([240, 228, 66]);
    expect(colourAt(2)).toEqual([0, 114, 178]);
    // More would lose the first one in NiiVue.
    expect(colours.length).toBeLessThanOrEqual(64);
  });

  it("say where the middle of the organ is", () => {
    expect(middleOn([bitsOf([0, 0, 1], [4, 1, 1]), bitsOf([2, 1, 1])], SHAPE, 1)).toEqual([2, 1]);
    expect(middleOn([bitsOf([0, 0, 1])], SHAPE, 0)).toBeNull();
  });
});

describe("planes", () => {
  it.each(PLANES)("a place in the %s plane is the place of its voxel", (plane) => {
    const { columns, rows } = planeSize(plane, SCAN);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        expect(placeOf(plane, voxelAt(plane, [1, 1, 1], column, row, SHAPE), SHAPE)).toEqual({ column, row });
      }
    }
  });

  it("have the head at the top, the patient's right and front on the left", () => {
    expect(voxelAt("axial", [3, 1, 2], 0, 0, SHAPE)).toEqual([0, 0, 2]);
    expect(voxelAt("coronal", [3, 1, 0], 0, 0, SHAPE)).toEqual([0, 1, 2]);
    expect(voxelAt("sagittal", [3, 1, 0], 0, 0, SHAPE)).toEqual([3, 0, 2]);
  });

  it("are as wide and high as the voxels say", () => {
    expect(planeSize("axial", SCAN)).toEqual({ columns: 5, rows: 2, width: 5, height: 4 });
    expect(planeSize("sagittal", SCAN)).toEqual({ columns: 2, rows: 3, width: 4, height: 15 });
  });

  it("show greys by the window, and the mask over them", () => {
    const layer = maskLayer("mask", bitsOf([1, 0, 1]), SHAPE, [0, 200, 0]);
    const pixels = planePixels("axial", [0, 0, 1], SCAN, [layer], { low: 10, high: 30 }, 0.5);
    // Stored 10 is the value 10, stored 11 is 12, a tenth of the window.
    expect([...pixels.subarray(0, 4)]).toEqual([0, 0, 0, 255]);
    expect([...pixels.subarray(4, 8)]).toEqual([13, 113, 13, 255]);
    expect([...pixels.subarray(8, 12)]).toEqual([51, 51, 51, 255]);
  });

  it("step through the scan and end at its ends", () => {
    expect(stepped("axial", [1, 1, 1], 1, SHAPE)).toEqual([1, 1, 2]);
    expect(stepped("coronal", [1, 1, 1], 1, SHAPE)).toEqual([1, 1, 1]);
    expect(stepped("sagittal", [1, 1, 1], -5, SHAPE)).toEqual([0, 1, 1]);
    expect(inside([-1, 9, 1.4], SHAPE)).toEqual([0, 1, 1]);
  });
});

describe("what is looked at", () => {
  const mask = (id: string, volume: string, label: number, annotator: string): Mask => ({
    volume_id: volume,
    volume_name: `Scan ${volume}`,
    label_index: label,
    label_name: `organ ${label}`,
    annotator,
    segmentation: {
      id,
      annotation_id: `a-${id}`,
      revision: 1,
      model: "litemedsam",
      mask_sha256: "0",
      seconds: 1,
      predicted_iou: {},
      doubtful: [],
      drawn: 1,
      filled: 0,
      suggested: [],
      created_at: "2026-01-01T00:00:00Z",
    },
  });
  const masks = [mask("m1", "v1", 1, "Ada"), mask("m2", "v1", 1, "Ben"), mask("m3", "v2", 2, "Ada")];

  it("is read from the address, without what makes no sense", () => {
    expect(readSearch({ volume: "v1", label: "2", slice: 7, mask: "m1" })).toEqual({
      volume: "v1",
      label: 2,
      slice: 7,
      mask: "m1",
    });
    const nothing = { volume: null, label: null, slice: null, mask: null };
    expect(readSearch({ volume: ["v1"], label: -1, slice: 1.5, mask: {} })).toEqual(nothing);
    expect(readSearch({ slice: "" })).toEqual(nothing);
  });

  it("is the organ of the address, else what there is", () => {
    const subjects = subjectsOf(masks);
    expect(subjects.map(({ name }) => name)).toEqual(["Scan v1: organ 1", "Scan v2: organ 2"]);
    const at = (volume: string | null, label: number | null) =>
      chosenSubject(subjects, { volume, label, slice: null, mask: null });
    expect(at("v2", 2)?.label).toBe(2);
    expect(at("v2", 9)?.volume).toBe("v2");
    expect(at("gone", 1)?.volume).toBe("v1");
    expect(chosenSubject([], readSearch({}))).toBeNull();
  });

  it("are people's masks of it, and the reference", () => {
    const [subject] = subjectsOf(masks);
    if (subject === undefined) throw new Error("There is one.");
    const reference = { id: "r", origin: "expert" as const, notices: [], created_at: "2026-01-01T00:00:00Z" };
    expect(sourcesOf(masks, subject, reference).map(({ id, address }) => [id, address])).toEqual([
      ["m1", "/api/v1/segmentations/m1/bits"],
      ["m2", "/api/v1/segmentations/m2/bits"],
      ["reference", "/api/v1/volumes/v1/reference/1/bits"],
    ]);
    expect(sourcesOf(masks, subject, null)).toHaveLength(2);
  });
});
