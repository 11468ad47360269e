/** From stored values to the 256 greys of the screen, exactly as `core.windowing` on the server: the model sees the same. */

/** The values (for example Hounsfield units) shown as black and as white. */
export interface Window {
  readonly low: number;
  readonly high: number;
}

/** value = stored * scale + offset, from the slice pack. */
export interface ValueScale {
  readonly scale: number;
  readonly offset: number;
}

export type PresetName = "soft_tissue" | "bone" | "lung" | "liver";

/** For CT, in Hounsfield units. */
export const CT_PRESETS: Readonly<Record<PresetName, Window>> = {
  soft_tissue: { low: -160, high: 240 },
  bone: { low: -450, high: 1050 },
  lung: { low: -1350, high: 150 },
  liver: { low: -45, high: 105 },
};

/** A volume whose finite minimum is at most this holds air in Hounsfield units: it is a CT. */
export function isCt(finiteMinimum: number): boolean {
  return finiteMinimum <= -500;
}

/** The window when nobody chose one: soft tissue for a CT, else the 0.5 and 99.5 percentiles. */
export function defaultWindow(volume: {
  readonly finiteMinimum: number;
  readonly percentileLow: number;
  readonly percentileHigh: number;
}): Window {
  if (isCt(volume.finiteMinimum)) return CT_PRESETS.soft_tissue;
  const { percentileLow: low, percentileHigh: high } = volume;
  if (low < high) return { low, high };
  const margin = Math.max(0.5, Math.abs(low) * 1e-6);
  return { low: low - margin, high: low + margin };
}

/** Grey 0..255 of one value: linear, clipped, halves rounded up; 0 for what is not finite. */
export function greyOf(value: number, window: Window): number {
  const share = (value - window.low) / (window.high - window.low);
  if (!Number.isFinite(share)) return 0;
  return Math.floor(Math.min(Math.max(share, 0), 1) * 255 + 0.5);
}

/** Greys of all int16 values: index = stored + 32768. */
export function lookupTable(window: Window, { scale, offset }: ValueScale): Uint8Array {
  const table = new Uint8Array(65_536);
  for (let i = 0; i < 65_536; i++) table[i] = greyOf((i - 32_768) * scale + offset, window);
  return table;
}

/** The smallest width a drag can reach, as a share of the given one per drag step. */
const NARROWEST = 1e-3;

/**
 * The window after a drag of (dx, dy) CSS pixels: to the right widens it, downwards raises it (the picture gets darker).
 * 300 pixels double the width, or move the middle by one width.
 */
export function draggedWindow(window: Window, dx: number, dy: number): Window {
  const old = window.high - window.low;
  const middle = (window.low + window.high) / 2 + (dy / 300) * old;
  const width = Math.max(NARROWEST, old * 2 ** (dx / 300));
  return { low: middle - width / 2, high: middle + width / 2 };
}
