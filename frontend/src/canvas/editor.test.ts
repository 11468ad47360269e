import { beforeEach, describe, expect, test } from "vitest";
import { type AnnotationDocument, boxesOn, emptyDocument, gaps, runs } from "./document";
import { Editor } from "./editor";
import { type Box, sameBox } from "./geometry";
import { applyAll, type Operation } from "./operations";
import { countStates, nextToCheck, positionOf, segments, sliceAt } from "./timeline";
import { ViewingClock } from "./viewing";

const SHAPE = [60, 100, 100] as const;
const BOX: Box = [10, 10, 30, 30];
const SHIFTED: Box = [14, 12, 34, 32];
const FAR: Box = [70, 70, 90, 90];

let log: Operation[];
let editor: Editor;
const now = () => editor.getSnapshot();
const states = () => runs(now().states);

function begin(document: AnnotationDocument = emptyDocument(SHAPE)): void {
  let n = 0;
  log = [];
  editor = new Editor({
    document,
    z: 10,
    onOperations: (operations) => log.push(...operations),
    newId: () => `n${++n}`,
  });
}
beforeEach(() => begin());

/** What the queue got leads to what is shown. */
function expectLogged(start: AnnotationDocument = emptyDocument(SHAPE)): void {
  expect(applyAll(start, log)).toEqual(now().document);
}

describe("drawing", () => {
  test("a box on the next key slice continues the piece and fills between", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(15, SHIFTED);
    expect(now().document.tracks).toHaveLength(1);
    expect(states()).toEqual([
      ["unknown", 0, 9],
      ["done", 10, 10],
      ["suggested", 11, 14],
      ["done", 15, 15],
      ["unknown", 16, 59],
    ]);
    expectLogged();
  });

  test("a box far from every piece, or a wanted new piece, starts one", () => {
    editor.drawBox(10, BOX);
    editor.select(null);
    editor.drawBox(11, FAR);
    expect(now().document.tracks.map((t) => t.id)).toEqual(["n1", "n2"]);
    editor.setNewPiece(true);
    editor.drawBox(12, FAR);
    expect(now().document.tracks).toHaveLength(3);
    expect(now().newPiece).toBe(false);
  });

  test("a box beside another on one slice is a second piece, over it a correction", () => {
    editor.drawBox(10, BOX);
    editor.select(null);
    editor.drawBox(10, FAR);
    expect(boxesOn(now().document, 10)).toHaveLength(2);
    editor.select(null);
    editor.drawBox(10, SHIFTED);
    expect(boxesOn(now().document, 10).map((b) => b.box)).toEqual([SHIFTED, FAR]);
  });

  test("of two pieces the one that overlaps most goes on", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(10, FAR, { newPiece: true });
    editor.select(null);
    editor.drawBox(13, [68, 72, 88, 92]);
    expect(now().document.tracks[1]).toMatchObject({ first: 10, last: 13 });
  });

  test("a slice marked by hand ends a piece, a mark beyond the end gives way", () => {
    editor.drawBox(10, BOX);
    editor.notHere(12);
    editor.drawBox(14, BOX);
    expect(now().document.tracks).toHaveLength(2);
    begin();
    editor.drawBox(10, BOX);
    editor.markLast(11);
    editor.drawBox(14, BOX);
    expect(now().document.tracks).toHaveLength(1);
    expect(now().document.label_range).toEqual([0, 14]);
  });

  test("drawn boxes lie on whole voxels inside the slice", () => {
    editor.drawBox(10, [-5, 3.4, 12.6, 200]);
    expect(boxesOn(now().document, 10)[0]?.box).toEqual([0, 3, 13, 100]);
  });
});

describe("changing", () => {
  test("nudges are one step of undo", () => {
    editor.drawBox(10, BOX);
    editor.nudge(1, 0);
    editor.nudge(5, 0);
    editor.resize("s", 0, 2);
    expect(boxesOn(now().document, 10)[0]).toMatchObject({ box: [16, 10, 36, 32], source: "edited" });
    editor.undo();
    editor.undo();
    expect(boxesOn(now().document, 10)[0]?.box).toEqual(BOX);
    expectLogged();
  });

  test("removing a suggested box cuts the piece, and every slice but that one keeps its box", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(20, SHIFTED);
    editor.confirm([{ op: "confirm", track: "n1", first: 17, last: 18 }]);
    const before = now().document;
    editor.deleteBox("n1", 15);
    for (let z = 10; z <= 20; z++) {
      const boxes = boxesOn(now().document, z);
      if (z === 15) expect(boxes).toEqual([]);
      else {
        expect(sameBox(boxes[0]?.box ?? FAR, boxesOn(before, z)[0]?.box ?? BOX)).toBe(true);
        expect(boxes[0]?.done).toBe(boxesOn(before, z)[0]?.done);
      }
    }
    expect(now().states[15]).toBe("unknown");
    expectLogged();
  });

  test("removing at an end shortens, of one slice deletes, of a corrected box lets it follow again", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(14, SHIFTED);
    editor.drawBox(12, SHIFTED);
    editor.deleteBox("n1", 12);
    expect(boxesOn(now().document, 12)[0]?.source).toBe("interpolated");
    editor.deleteBox("n1", 14);
    expect(now().document.tracks[0]).toMatchObject({ first: 10, last: 13 });
    begin();
    editor.drawBox(10, BOX);
    editor.deleteBox("n1", 10);
    expect(now().document.tracks).toEqual([]);
    expect(now().selected).toBeNull();
  });

  test("copying takes the boxes of the slice before, or only the selected one", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(10, FAR, { newPiece: true });
    editor.goTo(11);
    editor.select("n1");
    expect(editor.copyBox()).toBe(true);
    expect(boxesOn(now().document, 11)).toMatchObject([{ trackId: "n1", box: BOX, source: "copied" }]);
    editor.select(null);
    editor.copyBox();
    expect(boxesOn(now().document, 11)).toHaveLength(2);
    editor.goTo(40);
    expect(editor.copyBox()).toBe(false);
  });
});

describe("slices without the organ", () => {
  test("each end is said alone and keeps the other", () => {
    editor.markFirst(5);
    expect(now().ends).toEqual({ first: 5, last: null });
    expect(states()).toEqual([
      ["absent", 0, 4],
      ["unknown", 5, 59],
    ]);
    editor.markLast(30);
    expect(now().ends).toEqual({ first: 5, last: 30 });
    editor.endsHere(8, -1);
    expect(now().ends).toEqual({ first: 8, last: 30 });
    expect(states()).toEqual([
      ["absent", 0, 7],
      ["unknown", 8, 30],
      ["absent", 31, 59],
    ]);
  });
  test("a first slice behind the last one takes the last one back", () => {
    editor.markLast(20);
    editor.markFirst(25);
    expect(now().ends).toEqual({ first: 25, last: null });
  });
  test("not in this scan, and taken back", () => {
    editor.drawBox(10, BOX);
    editor.notInVolume();
    expect(gaps(now().document)).toEqual([]);
    editor.undo();
    expect(boxesOn(now().document, 10)).toHaveLength(1);
    expectLogged();
  });
});

describe("undo", () => {
  test("goes back and forth through the log and sends small operations where they suffice", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(15, SHIFTED);
    const full = now().document;
    editor.undo();
    editor.undo();
    expect(now().document).toEqual(emptyDocument(SHAPE));
    expect(log.at(-1)).toEqual({ op: "delete_track", track: "n1" });
    expect(now()).toMatchObject({ canUndo: false, canRedo: true });
    editor.redo();
    editor.redo();
    expect(now().document).toEqual(full);
    expectLogged();
  });
  test("keeps confirmations of boxes that stay the same", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(15, BOX);
    editor.notHere(30);
    editor.confirm([{ op: "confirm", track: "n1", first: 12, last: 12 }]);
    editor.undo();
    expect(now().states[30]).toBe("unknown");
    expect(now().states[12]).toBe("done");
    expectLogged();
  });
  test("nothing changes while reading only", () => {
    editor.drawBox(10, BOX);
    editor.setReadOnly(true);
    editor.drawBox(11, BOX);
    editor.undo();
    expect(log).toHaveLength(1);
  });
});

describe("viewing", () => {
  test("250 ms summed over visits confirm a box, and a change starts anew", () => {
    editor.drawBox(10, BOX);
    editor.drawBox(14, SHIFTED);
    const clock = new ViewingClock((due) => editor.confirm(due));
    const show = (z: number, at: number) => clock.show(z, boxesOn(now().document, z), at);
    show(12, 0);
    clock.hide(150);
    show(13, 1000);
    show(12, 1100);
    clock.tick(1190);
    expect(now().states[12]).toBe("suggested");
    expect(clock.dueIn()).toBe(10);
    clock.tick(1200);
    expect(now().states[12]).toBe("done");
    editor.drawBox(14, BOX);
    expect(now().states[12]).toBe("suggested");
    show(12, 1200);
    clock.tick(1400);
    expect(now().states[12]).toBe("suggested");
    clock.tick(1450);
    expect(now().states[12]).toBe("done");
    expect(clock.takeShown()).toEqual({ "12": 500, "13": 100 });
    expect(clock.takeShown()).toEqual({});
  });
  test("a sleeping machine does not look", () => {
    const clock = new ViewingClock(() => undefined);
    clock.show(3, [], 0);
    clock.hide(3_600_000);
    expect(clock.takeShown()).toEqual({ "3": 2000 });
  });
});

describe("the timeline", () => {
  test("finds the next slice to check round the end", () => {
    editor.markFirst(8);
    editor.markLast(12);
    editor.drawBox(8, BOX);
    editor.drawBox(12, BOX);
    editor.goTo(9);
    expect(editor.goToNextToCheck()).toBe(true);
    expect(now().z).toBe(10);
    expect(nextToCheck(now().states, 11)).toBe(9);
    expect(nextToCheck(now().states, 9, -1)).toBe(11);
    expect(nextToCheck(["done", "absent"], 0)).toBeNull();
    expect(countStates(now().states)).toEqual({ absent: 55, done: 2, suggested: 3, unknown: 0 });
  });
  test("segments cover the line, and positions go there and back", () => {
    const line = segments(["done", "done", "unknown", "absent"]);
    expect(line.map(({ from, to }) => [from, to])).toEqual([
      [0, 0.5],
      [0.5, 0.75],
      [0.75, 1],
    ]);
    for (let z = 0; z < 60; z++) expect(sliceAt(positionOf(z, 333, 60), 333, 60)).toBe(z);
    expect(sliceAt(-5, 100, 60)).toBe(0);
    expect(sliceAt(500, 100, 60)).toBe(59);
  });
});
