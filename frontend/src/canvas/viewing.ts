/**
 * Confirm by viewing: a box that was on the screen together with its slice's picture for 250 ms, summed over visits, has
 * been looked at. A changed box starts anew. The same clock knows how long every slice was shown.
 */
import type { BoxOnSlice } from "./document";
import { type Box, sameBox } from "./geometry";
import type { Operation } from "./operations";

export const CONFIRM_MS = 250;
/** A longer silence of the timer (a sleeping machine, a hidden tab) is not viewing. */
const LONGEST_STEP_MS = 2_000;

interface Seen {
  box: Box;
  ms: number;
}

export class ViewingClock {
  private slice: number | null = null;
  private boxes: readonly BoxOnSlice[] = [];
  private since = 0;
  private readonly seen = new Map<string, Seen>();
  /** Boxes that were said to be due since the last `show`: said once. */
  private readonly said = new Set<string>();
  private shown: Record<string, number> = {};

  /** @param onConfirm takes the `confirm` operations that have become due. */
  constructor(private readonly onConfirm: (operations: readonly Operation[]) => void) {}

  /**
   * The picture of slice `z` and these boxes are on the screen from `now` (milliseconds, one clock). Call it again when
   * the boxes change. Call it only when the picture is really there.
   */
  show(z: number, boxes: readonly BoxOnSlice[], now: number): void {
    this.tick(now);
    this.slice = z;
    this.boxes = boxes;
    this.since = now;
    this.said.clear();
    for (const { trackId, box } of boxes) {
      const key = `${z} ${trackId}`;
      const before = this.seen.get(key);
      if (before === undefined || !sameBox(before.box, box)) this.seen.set(key, { box, ms: 0 });
    }
  }

  /** Nothing is on the screen: another page, a hidden tab, a slice that is still loading. */
  hide(now: number): void {
    this.tick(now);
    this.slice = null;
    this.boxes = [];
  }

  /** Count up to `now`; about ten times a second, or after `dueIn()`. */
  tick(now: number): void {
    const z = this.slice;
    if (z === null) return;
    const ms = Math.min(Math.max(0, now - this.since), LONGEST_STEP_MS);
    this.since = now;
    this.shown[z] = (this.shown[z] ?? 0) + ms;
    const due: Operation[] = [];
    for (const { trackId, done } of this.boxes) {
      const seen = this.seen.get(`${z} ${trackId}`);
      if (seen === undefined) continue;
      seen.ms += ms;
      if (!done && seen.ms >= CONFIRM_MS && !this.said.has(trackId)) {
        this.said.add(trackId);
        due.push({ op: "confirm", track: trackId, first: z, last: z });
      }
    }
    if (due.length > 0) this.onConfirm(due);
  }

  /** Milliseconds until the next box of this slice is due; null when none is. */
  dueIn(): number | null {
    const open = this.boxes
      .filter((box) => !box.done && !this.said.has(box.trackId))
      .map((box) => Math.max(0, CONFIRM_MS - (this.seen.get(`${this.slice} ${box.trackId}`)?.ms ?? 0)));
    return open.length > 0 ? Math.min(...open) : null;
  }

  /** Whole milliseconds each slice was shown since the last call, for `client_times.shown_ms`. */
  takeShown(): Record<string, number> {
    const taken: Record<string, number> = {};
    for (const [z, ms] of Object.entries(this.shown)) if (ms >= 1) taken[z] = Math.round(ms);
    this.shown = {};
    return taken;
  }
}
