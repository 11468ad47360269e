import { expect, test } from "vitest";
import { commandOf, type Focus, type Key } from "./keys";

const FREE: Focus = { box: false, free: true, timeline: false };
const BOX: Focus = { ...FREE, box: true };

function key(code: string, change: Partial<Key> = {}): Key {
  return { code, key: "", shift: false, alt: false, ctrl: false, ...change };
}

test("arrows and W, S change slices, with shift five at once", () => {
  expect(commandOf(key("ArrowDown"), FREE)).toEqual({ do: "step", slices: 1 });
  expect(commandOf(key("KeyW"), FREE)).toEqual({ do: "step", slices: -1 });
  expect(commandOf(key("KeyS", { shift: true }), FREE)).toEqual({ do: "step", slices: 5 });
  expect(commandOf(key("End"), FREE)).toEqual({ do: "ends", at: "bottom" });
});

test("arrows move a chosen box, W and S still change slices", () => {
  expect(commandOf(key("ArrowDown"), BOX)).toEqual({ do: "nudge", dx: 0, dy: 1 });
  expect(commandOf(key("ArrowLeft", { shift: true }), BOX)).toEqual({ do: "nudge", dx: -5, dy: 0 });
  expect(commandOf(key("ArrowRight", { alt: true }), BOX)).toEqual({ do: "resize", dx: 1, dy: 0 });
  expect(commandOf(key("KeyS"), BOX)).toEqual({ do: "step", slices: 1 });
});

test("on the timeline arrows are the timeline's, box or not", () => {
  expect(commandOf(key("ArrowUp"), { ...BOX, timeline: true })).toEqual({ do: "step", slices: -1 });
  expect(commandOf(key("ArrowRight"), { ...BOX, timeline: true })).toEqual({ do: "step", slices: 1 });
});

test("space and enter belong to a focused button", () => {
  expect(commandOf(key("Space"), FREE)).toEqual({ do: "next-to-check" });
  expect(commandOf(key("Enter"), { ...FREE, free: false })).toBeNull();
});

test("letters with ctrl or alt are the browser's, except undo, redo and submit", () => {
  expect(commandOf(key("KeyZ", { ctrl: true }), FREE)).toEqual({ do: "undo" });
  expect(commandOf(key("KeyZ", { ctrl: true, shift: true }), FREE)).toEqual({ do: "redo" });
  expect(commandOf(key("KeyY", { ctrl: true }), FREE)).toEqual({ do: "redo" });
  expect(commandOf(key("Enter", { ctrl: true }), { ...FREE, free: false })).toEqual({ do: "submit" });
  expect(commandOf(key("KeyF", { ctrl: true }), FREE)).toBeNull();
  expect(commandOf(key("KeyF", { alt: true }), FREE)).toBeNull();
});

test("signs go by what is printed, letters and digits by their place", () => {
  expect(commandOf(key("Minus", { key: "?", shift: true }), FREE)).toEqual({ do: "help" });
  expect(commandOf(key("Digit3", { key: "§" }), FREE)).toEqual({ do: "window", index: 2 });
  expect(commandOf(key("KeyN", { key: "т" }), FREE)).toEqual({ do: "not-here" });
  expect(commandOf(key("Tab"), FREE)).toBeNull();
});
