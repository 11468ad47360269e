import { describe, expect, it } from "vitest";
import {
  doubtLayer,
  estimateColour,
  estimateLayer,
  FIRST_COLOUR,
  maskLayer,
  middleOn,
  partOf,
  type Shape,
} from "./layers";
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
import { diceBySlice, estimates, mean, slicesWith, worstFirst } from "./scores";
import { readSearch } from "./search";
import {
  chosenSubject,
  type Derived,
  type Found,
  type Listed,
  type Mask,
  type Prediction,
  sourcesOf,
  subjectsOf,
} from "./sources";
import { tilingOf } from "./tiles";
import { rounded } from "./window-fields";

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

  it("colour what the model is undecided about, and leave out what it is all but sure of", () => {
    const { values, colours } = doubtLayer("doubt", Uint8Array.of(0, 4, 5, 50, 100));
    expect(values[0]).toBe(0);
    expect(values[1]).toBe(0);
    expect([...values.subarray(2)].every((value, i, all) => value > (all[i - 1] ?? 0))).toBe(true);
    expect(colours[values[4] ?? 0]).toEqual([255, 250, 200]);
    expect(colours.length).toBeLessThanOrEqual(64);
  });

  it("are of some slices alone where only these are here", () => {
    const bits = bitsOf([0, 0, 0], [4, 1, 2]);
    const part = { from: 2, shape: [1, 2, 5] as const };
    const { values } = maskLayer("mask", partOf(bits, part, 2), part.shape, FIRST_COLOUR);
    expect([...values.keys()].filter((at) => values[at] !== 0)).toEqual([9]);
  });

  it("say on which slices they have something", () => {
    expect(slicesWith(bitsOf([1, 0, 1], [2, 1, 2]), SHAPE[0])).toEqual([1, 2]);
    expect(slicesWith(bitsOf(), SHAPE[0])).toEqual([]);
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

describe("tiles", () => {
  const ct = { shape: [100, 512, 512], spacing: [0.8, 0.8, 3] } as const;

  it.each([
    [1400, 560],
    [680, 560],
    [360, 468],
  ])(
    "of a picture of %d by %d pixels lie in it side by side, and leave less than half of it black",
    (width, height) => {
      const { tiles } = tilingOf(width, height, ct, 4);
      expect(tiles.map(({ shows }) => shows)).toEqual(["axial", "coronal", "sagittal", "render"]);
      let covered = 0;
      for (const { shows, position } of tiles) {
        const [left, top, w, h] = position;
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
        expect(Math.max(left + w, top + h)).toBeLessThanOrEqual(1);
        const size = shows === "render" ? { width: 1, height: 1 } : planeSize(shows, ct);
        const scale = Math.min((w * width) / size.width, (h * height) / size.height);
        covered += size.width * size.height * scale ** 2;
      }
      expect(covered / (width * height)).toBeGreaterThan(0.5);
      for (const [i, one] of tiles.entries()) {
        for (const other of tiles.slice(i + 1)) {
          const apart = [0, 1].some((axis) => {
            const [from = 0, size = 0] = [one.position[axis], one.position[axis + 2]];
            const [otherFrom = 0, otherSize = 0] = [other.position[axis], other.position[axis + 2]];
            return from + size <= otherFrom || otherFrom + otherSize <= from;
          });
          expect(apart, `${one.shows} and ${other.shows}`).toBe(true);
        }
      }
    },
  );
});

describe("grey values", () => {
  it("have as many digits as somebody would type", () => {
    expect([-160, 1349.6, 0.123456, 87.65432].map(rounded)).toEqual([-160, 1350, 0.1235, 87.65]);
  });
});

describe("what is looked at", () => {
  const mask = (id: string, volume: string, label: number, annotator: string): Mask => ({
    volume_id: volume,
    volume_name: `Scan ${volume}`,
    label_index: label,
    label_name: `organ ${label}`,
    annotator,
    annotation_state: "submitted",
    segmentation: {
      id,
      job_id: "j",
      has_uncertainty: true,
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
  const prediction = (id: string, volume: string, dice: number | null): Prediction => ({
    id,
    training_id: "t",
    training_name: "2d",
    volume_id: volume,
    volume_name: `Scan ${volume}`,
    label_index: 1,
    label_name: "organ 1",
    volume_dice: dice,
    outdated_reference: false,
    mask_sha256: "1",
  });
  const found: Found = {
    masks,
    derived: [],
    predictions: [prediction("p1", "v3", 0.25), prediction("p2", "v1", 0.5)],
  };

  const listed: Listed = {
    subjects: [masks[0], masks[2]].map((one) => ({
      volume_id: one?.volume_id ?? "",
      volume_name: one?.volume_name ?? "",
      label_index: one?.label_index ?? 0,
      label_name: one?.label_name ?? "",
    })),
    // One that the address names may be listed as well.
    predictions: [...found.predictions, prediction("p2", "v1", 0.5)],
  };

  const derived: Derived = {
    ...mask("d1", "v1", 1, "").segmentation,
    volume_id: "v1",
    volume_name: "Scan v1",
    label_index: 1,
    label_name: "organ 1",
    rule: "median",
    completion: "full",
    annotators: ["Ada", "Ben"],
  };

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
    const subjects = subjectsOf(listed);
    expect(subjects.map(({ name }) => name)).toEqual([
      "Scan v1: organ 1",
      "Scan v2: organ 2",
      "Scan v3: organ 1, Dice 0.250, 2d",
      "Scan v1: organ 1, Dice 0.500, 2d",
    ]);
    const at = (volume: string | null, label: number | null, mask: string | null = null) =>
      chosenSubject(subjects, { volume, label, slice: null, mask });
    expect(at("v1", 1, "p2")?.prediction).toBe("p2");
    expect(at("v1", 1, "m2")?.prediction).toBeNull();
    expect(at("v3", 1)?.prediction).toBe("p1");
    expect(at("v2", 2)?.label).toBe(2);
    expect(at("v2", 9)?.volume).toBe("v2");
    expect(at("gone", 1)?.volume).toBe("v1");
    expect(chosenSubject([], readSearch({}))).toBeNull();
  });

  it("are people's masks of it, predictions, and the reference", () => {
    const [subject] = subjectsOf(listed);
    if (subject === undefined) throw new Error("There is one.");
    const reference = { id: "r", origin: "expert" as const, notices: [], created_at: "2026-01-01T00:00:00Z" };
    expect(sourcesOf(found, subject, reference).map(({ id, bits }) => [id, bits])).toEqual([
      ["m1", "/api/v1/segmentations/m1/bits"],
      ["m2", "/api/v1/segmentations/m2/bits"],
      ["p2", "/api/v1/predictions/p2/bits"],
      ["reference", "/api/v1/volumes/v1/reference/1/bits"],
    ]);
    expect(sourcesOf(found, subject, null)).toHaveLength(3);
    expect(sourcesOf({ ...found, derived: [derived] }, subject, null)[2]).toMatchObject({
      name: "Dataset's mask: median boxes of Ada, Ben, completion full, litemedsam",
      address: "/api/v1/derived-masks/d1",
    });
  });
});
