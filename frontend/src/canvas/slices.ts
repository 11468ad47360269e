/**
 * The slices of one volume, fetched ahead of the person who scrolls. Every picture is kept and handed out under its own
 * number, so slice k can never be shown as slice j, however late an answer comes.
 */
import type { SliceSize } from "./geometry";
import { type Inflate, inflate as inflateHere } from "./inflate";

export const MEGABYTE = 1_000_000;
export const CACHE_BYTES = 150 * MEGABYTE;
export const CACHE_BYTES_PHONE = 60 * MEGABYTE;
const AHEAD = 8;
const BEHIND = 2;
const AT_ONCE = 6;
const PAUSES_MS = [400, 1_000, 2_500, 6_000];

/** zlib-compressed little-endian int16, (y, x), of slice `z`. Must reject with the signal's reason when it is aborted. */
export type FetchSlice = (z: number, signal: AbortSignal) => Promise<ArrayBuffer>;

export interface SliceCacheOptions {
  readonly slices: number;
  readonly size: SliceSize;
  readonly fetchSlice: FetchSlice;
  readonly maxBytes?: number;
  readonly inflate?: Inflate;
  readonly onReady?: (z: number, values: Int16Array) => void;
  /** `willRetry` is false when it was given up; going to the slice again, or `retry`, starts anew. */
  readonly onError?: (z: number, error: unknown, willRetry: boolean) => void;
  /** Pauses before each further try, milliseconds. */
  readonly pauses?: readonly number[];
}

interface Flight {
  readonly stop: AbortController;
}

export class SliceCache {
  /** In order of last use: the oldest first. */
  private readonly kept = new Map<number, Int16Array>();
  private readonly flights = new Map<number, Flight>();
  private readonly givenUp = new Set<number>();
  private wanted: readonly number[] = [];
  private current: number | null = null;
  private direction: 1 | -1 = 1;
  private closed = false;

  constructor(private readonly options: SliceCacheOptions) {}

  get bytes(): number {
    return this.kept.size * this.bytesPerSlice;
  }

  private get bytesPerSlice(): number {
    return this.options.size.columns * this.options.size.rows * 2;
  }

  /** The values of slice `z` if they are here. */
  get(z: number): Int16Array | null {
    return this.kept.get(z) ?? null;
  }

  /** Whether slice `z` is here, on its way, failed for good, or not asked for. */
  status(z: number): "ready" | "loading" | "failed" | "none" {
    if (this.kept.has(z)) return "ready";
    if (this.givenUp.has(z)) return "failed";
    return this.flights.has(z) || this.wanted.includes(z) ? "loading" : "none";
  }

  /** Go to slice `z`: it comes first, then 8 in the direction of the scrolling and 2 behind. */
  goTo(z: number): Int16Array | null {
    if (this.current !== null && z !== this.current) this.direction = z > this.current ? 1 : -1;
    this.current = z;
    this.givenUp.delete(z);
    const near: number[] = [z];
    for (let step = 1; step <= AHEAD; step++) {
      near.push(z + step * this.direction);
      if (step <= BEHIND) near.push(z - step * this.direction);
    }
    const most = Math.max(1, Math.floor(this.maxBytes / this.bytesPerSlice));
    this.wanted = near.filter((at) => at >= 0 && at < this.options.slices).slice(0, most);
    for (const [at, flight] of this.flights) {
      if (!this.wanted.includes(at)) {
        this.flights.delete(at);
        flight.stop.abort();
      }
    }
    const found = this.kept.get(z) ?? null;
    if (found !== null) this.keep(z, found);
    this.fill();
    return found;
  }

  /** Try a slice again that was given up. */
  retry(z: number): void {
    this.givenUp.delete(z);
    this.fill();
  }

  /** End all requests and forget everything. */
  close(): void {
    this.closed = true;
    for (const { stop } of this.flights.values()) stop.abort();
    this.flights.clear();
    this.kept.clear();
  }

  private get maxBytes(): number {
    return this.options.maxBytes ?? CACHE_BYTES;
  }

  private fill(): void {
    if (this.closed) return;
    for (const z of this.wanted) {
      // The slice on the screen does not wait for the others.
      if (this.flights.size >= AT_ONCE && z !== this.current) break;
      if (this.kept.has(z) || this.flights.has(z) || this.givenUp.has(z)) continue;
      const flight: Flight = { stop: new AbortController() };
      this.flights.set(z, flight);
      void this.load(z, flight);
    }
  }

  private async load(z: number, flight: Flight): Promise<void> {
    const { signal } = flight.stop;
    const pauses = this.options.pauses ?? PAUSES_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        const compressed = await this.options.fetchSlice(z, signal);
        const raw = await (this.options.inflate ?? inflateHere)(compressed);
        if (signal.aborted) return;
        if (raw.byteLength !== this.bytesPerSlice) {
          throw new Error(`Slice ${z} has ${raw.byteLength} bytes instead of ${this.bytesPerSlice}.`);
        }
        const values = new Int16Array(raw);
        this.flights.delete(z);
        this.keep(z, values);
        this.options.onReady?.(z, values);
        this.fill();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const pause = pauses[attempt];
        this.options.onError?.(z, error, pause !== undefined);
        if (pause === undefined) {
          this.flights.delete(z);
          this.givenUp.add(z);
          this.fill();
          return;
        }
        await sleep(pause, signal);
        if (signal.aborted) return;
      }
    }
  }

  /** Keep as the most recent; let the oldest go that nobody wants now. */
  private keep(z: number, values: Int16Array): void {
    this.kept.delete(z);
    this.kept.set(z, values);
    for (const old of [...this.kept.keys()]) {
      if (this.bytes <= this.maxBytes) break;
      if (old !== z && old !== this.current) this.kept.delete(old);
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
