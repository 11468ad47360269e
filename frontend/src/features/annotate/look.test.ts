// @vitest-environment jsdom
import { beforeEach, expect, test } from "vitest";
import { toScreen } from "@/canvas/viewport";
import { Look } from "./look";

const SIZE = { columns: 100, rows: 80 };

function look(): Look {
  return new Look({
    key: "look of a task",
    size: SIZE,
    spacing: { x: 1, y: 1 },
    window: { low: -160, high: 240 },
    values: { scale: 1, offset: 0 },
    air: -500,
  });
}

/** A slice that is air but for a body of 40 x 40 voxels in its middle. */
function picture(): Int16Array {
  const values = new Int16Array(SIZE.columns * SIZE.rows).fill(-1000);
  for (let y = 20; y < 60; y++) values.fill(40, y * SIZE.columns + 30, y * SIZE.columns + 70);
  return values;
}

function middle(on: Look): { x: number; y: number } {
  const { view } = on.getSnapshot();
  if (view === null) throw new Error("The size of the screen was said.");
  const at = toScreen(view, { x: 50, y: 40 });
  return { x: at.x / view.width, y: at.y / view.height };
}

beforeEach(() => sessionStorage.clear());

test("the body fills a screen that becomes smaller or larger", () => {
  const shown = look();
  shown.resize(800, 600);
  shown.firstPicture(picture());
  const { scale } = shown.getSnapshot().view ?? { scale: 0 };
  shown.resize(400, 300);
  expect(shown.getSnapshot().view?.scale).toBeCloseTo((scale * 280) / 580, 6);
  expect(middle(shown)).toEqual({ x: 0.5, y: 0.5 });
});

test("a place that a person chose stays at its zoom, until the whole body is asked for", () => {
  const shown = look();
  shown.resize(800, 600);
  shown.firstPicture(picture());
  const { view } = shown.getSnapshot();
  if (view === null) throw new Error("The size of the screen was said.");
  shown.setView({ ...view, scale: view.scale * 2, center: { x: 20, y: 30 } });
  shown.resize(400, 300);
  const chosen = shown.getSnapshot().view;
  expect(chosen?.center).toEqual({ x: 20, y: 30 });
  expect(chosen?.scale).toBeCloseTo(view.scale, 6);
  shown.fit();
  shown.resize(800, 600);
  expect(middle(shown)).toEqual({ x: 0.5, y: 0.5 });
});
