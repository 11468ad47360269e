import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { emptyDocument } from "@/canvas/document";
import { Editor } from "@/canvas/editor";
import { inflate } from "@/canvas/inflate";
import { type AskPreview, askPreview, LivePreview, type PreviewMask } from "./live-preview";

const maskOf = (z: number): PreviewMask => ({
  z,
  bits: new Uint8Array([0xff]),
  region: { x0: 1, y0: 2, columns: 4, rows: 2 },
});

function begin(ask: AskPreview) {
  const editor = new Editor({ document: emptyDocument([10, 100, 100]), z: 4, onOperations: vi.fn() });
  const tell = vi.fn<(mask: PreviewMask | null) => void>();
  const live = new LivePreview({ editor, ask, tell });
  const end = live.start();
  return { editor, tell, live, end };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("asks once, a moment after the last change, and shows the answer", async () => {
  const ask = vi.fn<AskPreview>(async (z) => maskOf(z));
  const { editor, tell } = begin(ask);
  editor.drawBox(4, [10, 10, 30, 30]);
  await vi.advanceTimersByTimeAsync(100);
  editor.nudge(1, 0);
  await vi.advanceTimersByTimeAsync(199);
  expect(ask).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(ask).toHaveBeenCalledTimes(1);
  expect(ask.mock.calls[0]?.slice(0, 2)).toEqual([4, [[11, 10, 31, 30]]]);
  expect(tell).toHaveBeenLastCalledWith(maskOf(4));
});

it("gives up on another slice, and knows what it was told before", async () => {
  let answer: (mask: PreviewMask) => void = () => undefined;
  const ask = vi.fn<AskPreview>(() => new Promise((resolve) => (answer = resolve)));
  const { editor, tell } = begin(ask);
  editor.drawBox(4, [10, 10, 30, 30]);
  await vi.advanceTimersByTimeAsync(200);
  editor.step(1);
  expect(ask.mock.calls[0]?.[2].aborted).toBe(true);
  answer(maskOf(4));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(tell).toHaveBeenLastCalledWith(null);
  editor.step(-1);
  await vi.advanceTimersByTimeAsync(200);
  answer(maskOf(4));
  await vi.advanceTimersByTimeAsync(0);
  editor.step(1);
  editor.step(-1);
  expect(tell).toHaveBeenLastCalledWith(maskOf(4));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).toHaveBeenCalledTimes(2);
});

it("says that it is off, asks again later and later, and comes back", async () => {
  let isAway = true;
  const ask = vi.fn<AskPreview>(async (z) => {
    if (isAway) throw new Error("503");
    return maskOf(z);
  });
  const { editor, live, tell, end } = begin(ask);
  editor.drawBox(4, [10, 10, 30, 30]);
  await vi.advanceTimersByTimeAsync(200);
  expect(live.getSnapshot().off).toBe(true);
  editor.nudge(1, 0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).toHaveBeenCalledTimes(2);
  isAway = false;
  await vi.advanceTimersByTimeAsync(4_000);
  expect(live.getSnapshot().off).toBe(false);
  expect(tell).toHaveBeenLastCalledWith(maskOf(4));
  end();
  expect(tell).toHaveBeenLastCalledWith(null);
});

it("asks for nothing where there is no box or nothing can be changed", async () => {
  const ask = vi.fn<AskPreview>(async (z) => maskOf(z));
  const { editor } = begin(ask);
  editor.drawBox(4, [10, 10, 30, 30]);
  editor.setReadOnly(true);
  await vi.advanceTimersByTimeAsync(1_000);
  editor.setReadOnly(false);
  editor.step(3);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).not.toHaveBeenCalled();
});

it("reads what the server answers", async () => {
  vi.useRealTimers();
  const answer = { box: [4, 5, 9, 7], bits: "eNr7fgAAArABuA==", predicted_iou: [0.91] };
  const fetched = vi.fn(async (_: Request) => Response.json(answer));
  vi.stubGlobal("fetch", fetched);
  const mask = await askPreview("a1", inflate)(3, [[4, 5, 20, 25]], new AbortController().signal);
  expect(mask.region).toEqual({ x0: 4, y0: 5, columns: 5, rows: 2 });
  expect([...mask.bits]).toEqual([0b11110111, 0b11000000]);
  const request = fetched.mock.calls[0]?.[0];
  expect(await request?.json()).toEqual({ slice: 3, boxes: [[4, 5, 20, 25]] });
});
