import { beforeEach, describe, expect, test } from "vitest";
import { Gestures, type Intent, type PointerInput } from "./gestures";
import type { Hit } from "./hit";

let intents: Intent[];
let hit: Hit | null;
let gestures: Gestures;

beforeEach(() => {
  intents = [];
  hit = null;
  gestures = new Gestures(
    () => hit,
    (intent) => intents.push(intent),
  );
});

function send(type: PointerInput["type"], x: number, y: number, more: Partial<PointerInput> = {}): void {
  gestures.handle({ type, id: 1, pointer: "mouse", button: 0, x, y, ...more });
}
const finger = (id: number): Partial<PointerInput> => ({ id, pointer: "touch" });
const kinds = (): string[] => intents.map((intent) => intent.kind);

describe("drawing", () => {
  test("a drag with the left button draws", () => {
    send("down", 10, 10);
    send("move", 11, 11);
    send("move", 40, 50);
    send("up", 41, 51);
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-commit"]);
    expect(intents.at(-1)).toEqual({ kind: "draw-commit", from: { x: 10, y: 10 }, to: { x: 41, y: 51 } });
  });

  test("without a drag it is a tap", () => {
    send("down", 10, 10);
    send("up", 11, 10);
    expect(kinds()).toEqual(["tap"]);
  });

  test("a second finger cancels the box and pans and zooms", () => {
    send("down", 10, 10, finger(1));
    send("move", 60, 60, finger(1));
    send("down", 160, 60, finger(2));
    send("move", 180, 60, finger(2));
    send("up", 180, 60, finger(2));
    send("move", 90, 90, finger(1));
    send("up", 90, 90, finger(1));
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-cancel", "pan", "zoom"]);
    expect(intents[4]).toEqual({ kind: "zoom", at: { x: 120, y: 60 }, factor: 1.2 });
  });

  test("after that one finger draws again", () => {
    send("down", 10, 10, finger(1));
    send("down", 60, 60, finger(2));
    send("up", 60, 60, finger(2));
    send("up", 10, 10, finger(1));
    send("down", 10, 10, finger(3));
    send("move", 60, 60, finger(3));
    send("up", 60, 60, finger(3));
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-commit"]);
  });

  test("a cancelled pointer commits nothing", () => {
    send("down", 10, 10, finger(1));
    send("move", 60, 60, finger(1));
    send("cancel", 60, 60, finger(1));
    send("up", 60, 60, finger(1));
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-cancel"]);
  });

  test("the resting hand does not disturb the pen", () => {
    send("down", 10, 10, { id: 7, pointer: "pen" });
    send("move", 60, 60, { id: 7, pointer: "pen" });
    send("down", 200, 200, finger(1));
    send("down", 220, 220, finger(2));
    send("up", 61, 61, { id: 7, pointer: "pen" });
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-commit"]);
  });

  test("Escape gives it up", () => {
    send("down", 10, 10);
    send("move", 60, 60);
    gestures.cancel();
    send("move", 70, 70);
    send("up", 70, 70);
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-cancel"]);
  });
});

describe("changing a box", () => {
  test("by a handle", () => {
    hit = { kind: "handle", trackId: "a", handle: "se" };
    send("down", 10, 10);
    send("move", 20, 20);
    send("up", 30, 20);
    expect(kinds()).toEqual(["edit-preview", "edit-commit"]);
    expect(intents[1]).toMatchObject({
      trackId: "a",
      handle: "se",
      from: { x: 10, y: 10 },
      to: { x: 30, y: 20 },
    });
  });
  test("the selected one is moved by its inside, on another one a drag draws", () => {
    hit = { kind: "box", trackId: "a", selected: true };
    send("down", 10, 10);
    send("move", 20, 20);
    send("cancel", 20, 20);
    expect(kinds()).toEqual(["edit-preview", "edit-cancel"]);
    hit = { kind: "box", trackId: "a", selected: false };
    send("down", 10, 10);
    send("move", 20, 20);
    expect(kinds().slice(2)).toEqual(["draw-start", "draw-preview"]);
  });
});

describe("corner mode", () => {
  beforeEach(() => gestures.configure({ draw: "corners", twoFingers: "zoom" }));
  test("two taps make a box, and the outline follows the mouse", () => {
    send("down", 10, 10);
    send("up", 10, 10);
    send("move", 30, 30);
    send("down", 50, 60);
    send("up", 50, 60);
    expect(kinds()).toEqual(["draw-start", "draw-preview", "draw-commit"]);
    expect(intents[2]).toMatchObject({ from: { x: 10, y: 10 }, to: { x: 50, y: 60 } });
  });
  test("two fingers between the taps do not lose the first corner", () => {
    send("down", 10, 10, finger(1));
    send("up", 10, 10, finger(1));
    send("down", 20, 20, finger(1));
    send("down", 60, 60, finger(2));
    send("up", 60, 60, finger(2));
    send("up", 20, 20, finger(1));
    expect(gestures.corner).toEqual({ x: 10, y: 10 });
    gestures.cancel();
    expect(kinds()).toEqual(["draw-start", "draw-cancel"]);
  });
});

describe("looking", () => {
  test("space or the middle button pans, the right one windows", () => {
    send("down", 10, 10, { space: true });
    send("move", 15, 12);
    send("up", 15, 12);
    send("down", 10, 10, { button: 1 });
    send("move", 11, 10);
    send("up", 11, 10);
    send("down", 10, 10, { button: 2 });
    send("move", 10, 20);
    send("up", 10, 20);
    expect(intents).toEqual([
      { kind: "pan", dx: 5, dy: 2 },
      { kind: "pan", dx: 1, dy: 0 },
      { kind: "window", dx: 0, dy: 10 },
    ]);
  });
  test("one notch of the wheel is one slice; a trackpad adds up; ctrl zooms", () => {
    const wheel = (dy: number, ctrl = false): void =>
      gestures.handle({ type: "wheel", x: 5, y: 5, dy, ctrl });
    wheel(120);
    wheel(-53);
    for (let i = 0; i < 4; i++) wheel(10);
    wheel(-50, true);
    expect(intents.slice(0, 3)).toEqual([
      { kind: "scroll", slices: 1 },
      { kind: "scroll", slices: -1 },
      { kind: "scroll", slices: 1 },
    ]);
    expect(intents[3]).toMatchObject({ kind: "zoom", at: { x: 5, y: 5 } });
    expect((intents[3] as { factor: number }).factor).toBeGreaterThan(1);
  });
  test("two fingers scroll slices when that is chosen", () => {
    gestures.configure({ draw: "drag", twoFingers: "scroll" });
    send("down", 10, 10, finger(1));
    send("down", 60, 10, finger(2));
    send("move", 10, 60, finger(1));
    send("move", 60, 60, finger(2));
    expect(intents.reduce((sum, i) => sum + (i.kind === "scroll" ? i.slices : 99), 0)).toBe(2);
  });
});
