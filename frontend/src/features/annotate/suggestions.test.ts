import { afterEach, expect, it, vi } from "vitest";
import { emptyDocument } from "@/canvas/document";
import { Editor } from "@/canvas/editor";
import type { Sync } from "@/offline/sync";
import { suggestRest } from "./suggestions";

const ADDED = {
  op: "add_track",
  track: "suggested-1",
  first: 5,
  last: 6,
  keyframes: {
    5: { box: [10, 10, 30, 31], source: "propagated" },
    6: { box: [10, 10, 30, 32], source: "propagated" },
  },
};

function begin(answers: readonly object[], sent = true) {
  const editor = new Editor({ document: emptyDocument([10, 100, 100]), z: 4, onOperations: vi.fn() });
  editor.drawBox(4, [10, 10, 30, 30]);
  const sync = { flush: async () => sent, getSnapshot: () => ({ revision: 3 }) } as unknown as Sync;
  const left = [...answers];
  vi.stubGlobal("fetch", async () => Response.json(left.shift()));
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const tell = vi.fn();
  const ending = new AbortController();
  const asked = suggestRest("a1", editor, sync, ending.signal, tell);
  return { editor, asked, tell, ending };
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("waits for the worker, and takes what it found as suggestions, in one step", async () => {
  const waiting = { revision: 3, state: "running", progress: 0.5, error: null, operations: [] };
  const { editor, asked, tell } = begin([waiting, { ...waiting, state: "done", operations: [ADDED] }]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await asked).toEqual({ kind: "taken", slices: 2 });
  expect(tell).toHaveBeenCalledWith(0.5);
  expect(editor.getSnapshot().states.slice(4, 8)).toEqual(["done", "suggested", "suggested", "unknown"]);
  editor.undo();
  expect(editor.getSnapshot().states.slice(4, 8)).toEqual(["done", "unknown", "unknown", "unknown"]);
});

it("takes nothing that was found for other work, and asks for nothing while work is unsaved", async () => {
  const other = { revision: 4, state: "done", progress: 1, error: null, operations: [ADDED] };
  const { editor, asked } = begin([other]);
  expect(await asked).toEqual({ kind: "unsent" });
  expect(editor.getSnapshot().document.tracks).toHaveLength(1);
  const unsaved = begin([], false);
  expect(await unsaved.asked).toEqual({ kind: "unsent" });
});

it("says why the worker could not, and ends when it is given up", async () => {
  const dead = { revision: 3, state: "failed", progress: 0, error: "No model.", operations: [] };
  expect(await begin([dead]).asked).toEqual({ kind: "failed", why: "No model." });
  const waiting = { revision: 3, state: "queued", progress: 0, error: null, operations: [] };
  const { asked, ending } = begin([waiting]);
  const ended = expect(asked).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(10);
  ending.abort();
  await vi.advanceTimersByTimeAsync(1_000);
  await ended;
});
