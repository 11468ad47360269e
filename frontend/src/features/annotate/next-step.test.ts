import { expect, test } from "vitest";
import { emptyDocument, sliceStates } from "@/canvas/document";
import { applyAll, type Operation } from "@/canvas/operations";
import { endDirection, markOf, nextStep } from "./next-step";

function made(...operations: Operation[]) {
  return applyAll(emptyDocument([40, 64, 64]), operations);
}
function step(z: number, ...operations: Operation[]) {
  const document = made(...operations);
  return nextStep({ document, states: sliceStates(document), z });
}
const range = (first: number, last: number): Operation => ({ op: "set_label_range", first, last });
const piece = (first: number, last: number): Operation => ({
  op: "add_track",
  track: "a",
  first,
  last,
  keyframes: {
    [first]: { box: [10, 10, 30, 30], source: "drawn" },
    [last]: { box: [12, 12, 32, 32], source: "drawn" },
  },
});
const seen = (first: number, last: number): Operation => ({ op: "confirm", track: "a", first, last });

test("an empty task begins with the first slice, then a box there", () => {
  expect(step(20)).toEqual({ do: "find-first" });
  expect(step(10, range(10, 39))).toEqual({ do: "draw" });
});

test("behind a box: go on, and after some slices draw or end", () => {
  expect(step(10, range(10, 39), piece(10, 10))).toEqual({ do: "go-on", at: "last" });
  expect(step(13, range(10, 39), piece(10, 10))).toEqual({ do: "go-on" });
  expect(step(15, range(10, 39), piece(10, 10))).toEqual({ do: "draw-or-end", at: "last" });
  expect(step(3, piece(10, 10))).toEqual({ do: "draw-or-end", at: "first" });
});

test("suggested slices are looked at, then the ends are marked", () => {
  expect(step(12, range(10, 39), piece(10, 15))).toEqual({ do: "check", slices: 4 });
  expect(step(12, range(10, 39), piece(10, 15), seen(11, 14))).toEqual({ do: "mark-last" });
  expect(step(12, range(0, 15), piece(10, 15), seen(11, 14))).toEqual({ do: "mark-first" });
});

test("a mark is offered where it cuts off no box", () => {
  const seenAll = [piece(10, 15), seen(11, 14)];
  expect(markOf(step(20))).toBe("first");
  expect([15, 20].map((z) => markOf(step(z, ...seenAll)))).toEqual(["last", "last"]);
  expect([3, 10].map((z) => markOf(step(z, range(0, 15), ...seenAll)))).toEqual(["first", "first"]);
  expect(markOf(step(12, range(10, 39), ...seenAll))).toBeNull();
  expect(markOf(step(12, range(0, 15), ...seenAll))).toBeNull();
});

test("nothing to do and nothing suggested: submit", () => {
  expect(step(12, range(10, 15), piece(10, 15))).toEqual({ do: "check", slices: 4 });
  expect(step(12, range(10, 15), piece(10, 15), seen(11, 14))).toEqual({ do: "submit" });
  expect(step(0, { op: "mark_not_in_volume" })).toEqual({ do: "submit" });
});

test("a hole between pieces is to be decided", () => {
  const hole: Operation[] = [range(10, 15), piece(10, 12), seen(11, 11)];
  expect(step(11, ...hole)).toEqual({ do: "decide", slices: 3 });
});

test("the end points beyond the nearer side of the boxes, and is asked for where that is not clear", () => {
  const none = { first: null, last: null };
  expect(endDirection(made(), none, 20)).toBeNull();
  expect(endDirection(made(range(10, 39)), { first: 10, last: null }, 20)).toBe(1);
  expect(endDirection(made(piece(10, 20)), none, 20)).toBe(1);
  expect(endDirection(made(piece(10, 20)), none, 10)).toBe(-1);
  expect(endDirection(made(piece(10, 20)), none, 15)).toBeNull();
  expect(endDirection(made(piece(10, 10)), none, 10)).toBeNull();
  expect(endDirection(made(piece(10, 10)), none, 14)).toBe(1);
});
