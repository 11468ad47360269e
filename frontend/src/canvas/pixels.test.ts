import { deflateSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { inflate } from "./inflate";
import { fillPixels, maskPixels, pixelTable, unpackBits } from "./render";
import { SliceCache } from "./slices";
import { CT_PRESETS, defaultWindow, draggedWindow, greyOf, lookupTable } from "./window";

describe("grey levels", () => {
  test("halves round up, ends clip, as on the server", () => {
    expect(greyOf(-160, CT_PRESETS.soft_tissue)).toBe(0);
    expect(greyOf(-2000, CT_PRESETS.soft_tissue)).toBe(0);
    expect(greyOf(240, CT_PRESETS.soft_tissue)).toBe(255);
    expect(greyOf(40, CT_PRESETS.soft_tissue)).toBe(128);
    expect(greyOf(0.5, { low: 0, high: 255 })).toBe(1);
    expect(greyOf(Number.NaN, CT_PRESETS.bone)).toBe(0);
  });
  test("the table holds every stored value", () => {
    const scale = { scale: 0.25, offset: -12.5 };
    const table = lookupTable({ low: -100, high: 300 }, scale);
    for (let stored = -32_768; stored < 32_768; stored++) {
      const share = (stored * 0.25 - 12.5 + 100) / 400;
      const grey = Math.floor(Math.min(Math.max(share, 0), 1) * 255 + 0.5);
      if (table[stored + 32_768] !== grey) expect(table[stored + 32_768]).toBe(grey);
    }
  });
  test("nobody chose: soft tissue for CT, percentiles else", () => {
    const volume = { finiteMinimum: 0, percentileLow: 3, percentileHigh: 900 };
    expect(defaultWindow({ ...volume, finiteMinimum: -1024 })).toEqual({ low: -160, high: 240 });
    expect(defaultWindow(volume)).toEqual({ low: 3, high: 900 });
    expect(defaultWindow({ finiteMinimum: 7, percentileLow: 7, percentileHigh: 7 })).toEqual({
      low: 6.5,
      high: 7.5,
    });
  });
  test("a drag to the right widens, back restores", () => {
    const wide = draggedWindow({ low: 0, high: 100 }, 300, 0);
    expect(wide).toEqual({ low: -50, high: 150 });
    expect(draggedWindow(wide, -300, 0)).toEqual({ low: 0, high: 100 });
  });
});

describe("pixels", () => {
  test("a slice goes through the table", () => {
    const out = new Uint32Array(3);
    fillPixels(
      Int16Array.of(-160, 40, 240),
      pixelTable(lookupTable(CT_PRESETS.soft_tissue, { scale: 1, offset: 0 })),
      out,
    );
    expect([...new Uint8Array(out.buffer)]).toEqual([0, 0, 0, 255, 128, 128, 128, 255, 255, 255, 255, 255]);
  });
  test("bits come highest first", () => {
    expect([...unpackBits(Uint8Array.of(0b10100000, 0b01000000), 10)]).toEqual([
      1, 0, 1, 0, 0, 0, 0, 0, 0, 1,
    ]);
  });
  test("a mask is translucent inside and opaque at its outline", () => {
    const pixels = maskPixels(new Uint8Array(9).fill(1), { columns: 3, rows: 3 }, [1, 2, 3]);
    const alphas = [...pixels].filter((_, i) => i % 4 === 3);
    expect(alphas).toEqual([255, 255, 255, 255, 80, 255, 255, 255, 255]);
  });
});

const SIZE = { columns: 4, rows: 2 };
/** Slice z holds the value z everywhere. */
function packed(z: number): ArrayBuffer {
  const bytes = deflateSync(new Uint8Array(new Int16Array(8).fill(z).buffer));
  return new Uint8Array(bytes).buffer;
}

describe("the slice cache", () => {
  test("inflates zlib data, and refuses damaged data", async () => {
    expect(new Int16Array(await inflate(packed(7)))).toEqual(new Int16Array(8).fill(7));
    await expect(inflate(new Uint8Array([1, 2, 3, 4]).buffer)).rejects.toThrow();
  });

  test("fetches ahead in the direction of the scrolling, each slice once", async () => {
    const fetchSlice = vi.fn(async (z: number) => packed(z));
    const cache = new SliceCache({ slices: 40, size: SIZE, fetchSlice });
    cache.goTo(20);
    cache.goTo(20);
    await vi.waitFor(() => expect(cache.bytes).toBe(11 * 16));
    const asked = fetchSlice.mock.calls.map(([z]) => z).sort((a, b) => a - b);
    expect(asked).toEqual([18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28]);
    expect(fetchSlice.mock.calls[0]?.[0]).toBe(20);
    cache.goTo(19);
    await vi.waitFor(() => expect(cache.status(11)).toBe("ready"));
    for (let z = 11; z <= 28; z++) expect(cache.get(z)?.[0]).toBe(z);
  });

  test("late answers never come under another number, and stale requests are ended", async () => {
    const open = new Map<number, { answer: () => void; signal: AbortSignal }>();
    const ready: [number, number | undefined][] = [];
    const cache = new SliceCache({
      slices: 100,
      size: SIZE,
      fetchSlice: (z, signal) =>
        new Promise((answer) => open.set(z, { answer: () => answer(packed(z)), signal })),
      onReady: (z, values) => ready.push([z, values[0]]),
    });
    cache.goTo(10);
    cache.goTo(60);
    expect(open.get(10)?.signal.aborted).toBe(true);
    for (const { answer } of [...open.values()].reverse()) answer();
    await vi.waitFor(() => expect(cache.status(60)).toBe("ready"));
    expect(cache.get(10)).toBeNull();
    expect(ready.every(([z, value]) => z === value && z >= 58)).toBe(true);
  });

  test("tries again with pauses, gives up, and starts anew on demand", async () => {
    let broken = true;
    const errors: boolean[] = [];
    const cache = new SliceCache({
      slices: 1,
      size: SIZE,
      fetchSlice: async (z) => (broken ? Promise.reject(new Error("500")) : packed(z)),
      onError: (_z, _error, willRetry) => errors.push(willRetry),
      pauses: [1, 1],
    });
    cache.goTo(0);
    await vi.waitFor(() => expect(cache.status(0)).toBe("failed"));
    expect(errors).toEqual([true, true, false]);
    broken = false;
    cache.retry(0);
    await vi.waitFor(() => expect(cache.get(0)).not.toBeNull());
  });

  test("a slice of another size is an error and is not shown", async () => {
    const onError = vi.fn();
    const cache = new SliceCache({
      slices: 1,
      size: { columns: 5, rows: 2 },
      fetchSlice: async () => packed(1),
      onError,
      pauses: [],
    });
    cache.goTo(0);
    await vi.waitFor(() => expect(onError).toHaveBeenCalled());
    expect(cache.get(0)).toBeNull();
  });

  test("lets the oldest go when its room is used up, never the one on the screen", async () => {
    const cache = new SliceCache({
      slices: 100,
      size: SIZE,
      fetchSlice: async (z) => packed(z),
      maxBytes: 5 * 16,
    });
    for (const z of [10, 40, 70]) {
      cache.goTo(z);
      await vi.waitFor(() => expect(cache.status(z)).toBe("ready"));
    }
    await vi.waitFor(() => expect(cache.status(72)).toBe("ready"));
    expect(cache.bytes).toBeLessThanOrEqual(5 * 16);
    expect(cache.get(70)?.[0]).toBe(70);
    expect(cache.get(10)).toBeNull();
  });
});
