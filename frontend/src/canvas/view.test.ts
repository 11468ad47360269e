import { describe, expect, test } from "vitest";
import { moveBox, type Point, resizeBox, snapBox } from "./geometry";
import { hitTest, REACH_TOUCH } from "./hit";
import { AXIAL_LETTERS, scaleBar } from "./orientation";
import {
  atPlace,
  bodyBox,
  boxToScreen,
  createViewport,
  fitted,
  panned,
  placeOf,
  toScreen,
  toSlice,
  zoomedAt,
} from "./viewport";

/** A small seeded generator, so that a failure comes back. */
function numbers(seed: number): (low: number, high: number) => number {
  let state = seed;
  return (low, high) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return low + (state / 2 ** 32) * (high - low);
  };
}
const SIZE = { columns: 512, rows: 300 };

describe("the viewport", () => {
  test("no chain of zoom, pan and resize changes where a slice's point is", () => {
    const next = numbers(1);
    for (let run = 0; run < 200; run++) {
      let view = createViewport(next(200, 2000), next(200, 1200), SIZE, { x: next(0.3, 3), y: next(0.3, 3) });
      for (let i = 0; i < 8; i++) {
        view = zoomedAt(view, { x: next(0, view.width), y: next(0, view.height) }, next(0.3, 3));
        view = panned(view, next(-400, 400), next(-400, 400));
        if (i % 3 === 0) {
          const other = createViewport(next(200, 2000), next(200, 1200), SIZE, view.spacing);
          view = atPlace(other, placeOf(view));
        }
      }
      const point = { x: next(0, 512), y: next(0, 300) };
      const back = toSlice(view, toScreen(view, point));
      expect(back.x).toBeCloseTo(point.x, 8);
      expect(back.y).toBeCloseTo(point.y, 8);
    }
  });

  test("a box drawn on the screen at any zoom is the same box", () => {
    const next = numbers(2);
    for (let run = 0; run < 200; run++) {
      let view = createViewport(800, 600, SIZE, { x: 0.7, y: 0.9 });
      view = zoomedAt(view, { x: next(0, 800), y: next(0, 600) }, next(1, 20));
      const rect = boxToScreen(view, [100, 50, 140, 90]);
      const a = toSlice(view, { x: rect.left, y: rect.top });
      const b = toSlice(view, { x: rect.left + rect.width, y: rect.top + rect.height });
      expect(snapBox(b, a, SIZE)).toEqual([100, 50, 140, 90]);
    }
  });

  test("zooming holds the point under the pointer", () => {
    const view = createViewport(800, 600, SIZE, { x: 1, y: 1 });
    const at = { x: 500, y: 250 };
    const before = toSlice(view, at);
    const after = toSlice(zoomedAt(view, at, 2), at);
    expect(after.x).toBeCloseTo(before.x, 9);
    expect(after.y).toBeCloseTo(before.y, 9);
  });

  test("a millimetre is as long across as down", () => {
    const view = createViewport(800, 600, SIZE, { x: 0.5, y: 2 });
    const rect = boxToScreen(view, [0, 0, 40, 10]);
    expect(rect.width).toBeCloseTo(rect.height, 9);
  });

  test("remembers its place on a canvas of another size", () => {
    const view = zoomedAt(createViewport(800, 600, SIZE, { x: 1, y: 1 }), { x: 100, y: 100 }, 3);
    const other = atPlace(createViewport(400, 300, SIZE, { x: 1, y: 1 }), placeOf(view));
    expect(other.center).toEqual(view.center);
    expect(other.scale).toBeCloseTo(view.scale / 2, 9);
  });

  test("fits the body and not a thin table or noise", () => {
    const size = { columns: 50, rows: 40 };
    const values = new Int16Array(2000).fill(-1000);
    for (let y = 8; y < 30; y++) for (let x = 10; x < 42; x++) values[y * 50 + x] = 40;
    values[38 * 50 + 25] = 500;
    expect(bodyBox(values, size, -500)).toEqual([10, 8, 42, 30]);
    expect(bodyBox(new Int16Array(2000).fill(-1000), size, -500)).toEqual([0, 0, 50, 40]);
    const rect = boxToScreen(
      fitted(createViewport(640, 640, size, { x: 1, y: 1 }), [10, 8, 42, 30]),
      [10, 8, 42, 30],
    );
    expect(rect.left).toBeCloseTo(8, 6);
  });
});

describe("boxes on whole voxels", () => {
  test("always whole, inside, and at least one voxel, whatever was drawn", () => {
    const next = numbers(3);
    const point = (): Point => ({ x: next(-600, 1200), y: next(-600, 900) });
    for (let run = 0; run < 500; run++) {
      const from = point();
      const to = run % 2 ? point() : { x: from.x + next(-1, 1), y: from.y + next(-1, 1) };
      let box = snapBox(from, to, SIZE);
      if (run % 3 === 0) box = moveBox(box, next(-600, 600), next(-600, 600), SIZE);
      if (run % 5 === 0) box = resizeBox(box, "se", next(-600, 600), next(-600, 600), SIZE);
      if (run % 7 === 0) box = resizeBox(box, "nw", next(-600, 600), next(-600, 600), SIZE);
      expect(box.every(Number.isInteger)).toBe(true);
      expect(box[0] >= 0 && box[1] >= 0 && box[2] <= 512 && box[3] <= 300).toBe(true);
      expect(box[2] - box[0] >= 1 && box[3] - box[1] >= 1).toBe(true);
    }
  });
  test("a box is half-open: a drag over voxel 3 gives 3 to 4", () => {
    expect(snapBox({ x: 3.2, y: 5.6 }, { x: 3.4, y: 5.7 }, SIZE)).toEqual([3, 5, 4, 6]);
  });
  test("a move keeps the size at the border", () => {
    expect(moveBox([500, 0, 510, 10], 50, -50, SIZE)).toEqual([502, 0, 512, 10]);
  });
});

describe("what is under the finger", () => {
  const rect = { left: 100, top: 100, width: 200, height: 100 };
  const one = [{ trackId: "a", rect, selected: true }];
  test("handles reach 22 pixels in every direction", () => {
    expect(hitTest({ x: 321, y: 221 }, one, REACH_TOUCH)).toEqual({
      kind: "handle",
      trackId: "a",
      handle: "se",
    });
    expect(hitTest({ x: 100, y: 150 }, one, REACH_TOUCH)).toEqual({
      kind: "handle",
      trackId: "a",
      handle: "w",
    });
    expect(hitTest({ x: 323, y: 221 }, one, REACH_TOUCH)).toBeNull();
  });
  test("the middle of a tiny box still moves it", () => {
    const tiny = [{ trackId: "a", rect: { left: 100, top: 100, width: 12, height: 12 }, selected: true }];
    expect(hitTest({ x: 106, y: 106 }, tiny, REACH_TOUCH)).toEqual({
      kind: "box",
      trackId: "a",
      selected: true,
    });
  });
  test("of boxes one in another the smaller one", () => {
    const boxes = [
      { trackId: "a", rect, selected: false },
      { trackId: "b", rect: { left: 120, top: 120, width: 60, height: 60 }, selected: false },
    ];
    expect(hitTest({ x: 150, y: 150 }, boxes, REACH_TOUCH)).toMatchObject({ trackId: "b" });
    expect(hitTest({ x: 250, y: 150 }, boxes, REACH_TOUCH)).toMatchObject({ trackId: "a" });
  });
});

test("the patient's right is on the left of the screen", () => {
  expect(AXIAL_LETTERS).toEqual({ left: "R", right: "L", top: "A", bottom: "P" });
});

test("the scale bar has a round length", () => {
  expect(scaleBar(1.5, 100)).toEqual({ mm: 50, px: 75 });
  expect(scaleBar(200, 100)).toBeNull();
});
