/** What lies over the scan: one number per voxel, and a colour for each. */
import type { Rgb } from "@/canvas/render";
import type { SliceScores } from "./scores";

/** (nz, ny, nx) of the scan. */
export type Shape = readonly [nz: number, ny: number, nx: number];

/** Some slices of a scan, or all: `shape` is theirs, `from` the first of them. */
export interface Part {
  readonly from: number;
  readonly shape: Shape;
}

/** The bytes of these slices, of which each has as many. */
export function partOf(bytes: Uint8Array, { from, shape: [nz] }: Part, ofSlice: number): Uint8Array {
  return bytes.subarray(from * ofSlice, (from + nz) * ofSlice);
}

export interface Layer {
  readonly name: string;
  /** (z, y, x), x fastest: an index into `colours`; 0 is nothing. */
  readonly values: Uint8Array;
  readonly colours: readonly Rgb[];
}

/** Okabe-Ito bluish green, as the mask in the workspace, and orange. */
export const FIRST_COLOUR: Rgb = [0, 158, 115];
export const SECOND_COLOUR: Rgb = [230, 159, 0];

/** Estimates from here down have one colour, since a model hardly ever says less. */
export const LEAST_ESTIMATE = 0.5;
const STOPS: readonly Rgb[] = [
  [213, 94, 0],
  [240, 228, 66],
  [0, 114, 178],
];

/** One colour of the scale at 0..1: vermilion (doubtful), yellow, blue (sure). */
export function estimateColour(share: number): Rgb {
  return between(STOPS, share);
}

function between(stops: readonly Rgb[], share: number): Rgb {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const from = Math.min(Math.floor(at), stops.length - 2);
  const [low, high] = [stops[from], stops[from + 1]] as [Rgb, Rgb];
  const mixed = low.map((value, i) => Math.round(value + ((high[i] ?? 0) - value) * (at - from)));
  return mixed as unknown as Rgb;
}

/** Steps of one hundredth. (A table of more than 64 colours loses its first one in NiiVue: nothing would be something.) */
const LEVELS = 51;
const SCALE: readonly Rgb[] = Array.from({ length: LEVELS + 1 }, (_, level) =>
  estimateColour((level - 1) / (LEVELS - 1)),
);

const DOUBT_STOPS: readonly Rgb[] = [
  [86, 40, 130],
  [204, 121, 167],
  [255, 250, 200],
];
/** Less than this many hundredths of a bit is not shown: it lies around every mask. */
export const LEAST_DOUBT = 5;
const DOUBTS: readonly Rgb[] = Array.from({ length: LEVELS + 1 }, (_, level) =>
  between(DOUBT_STOPS, (level - 1) / (LEVELS - 1)),
);

/** How undecided the model was, from hundredths of a bit: purple (a little), pink, nearly white (as good as tossed). */
export function doubtLayer(name: string, hundredths: Uint8Array): Layer {
  const values = hundredths.map((value) =>
    value < LEAST_DOUBT ? 0 : 1 + Math.round((Math.min(value, 100) / 100) * (LEVELS - 1)),
  );
  return { name, values, colours: DOUBTS };
}

function levelOf(estimate: number): number {
  const share = (estimate - LEAST_ESTIMATE) / (1 - LEAST_ESTIMATE);
  return 1 + Math.round(Math.min(Math.max(share, 0), 1) * (LEVELS - 1));
}

/** A mask in bits as numbers: `valueOn` its slice inside, 0 outside. */
function filled(bits: Uint8Array, shape: Shape, valueOn: (z: number) => number): Uint8Array {
  const [nz, ny, nx] = shape;
  const values = new Uint8Array(nz * ny * nx);
  for (let z = 0; z < nz; z++) {
    const value = valueOn(z);
    forEachVoxel(bits, shape, z, (at) => {
      values[z * ny * nx + at] = value;
    });
  }
  return values;
}

/** Every voxel of a mask on a slice, as `y * nx + x`. */
function forEachVoxel(bits: Uint8Array, [, ny, nx]: Shape, z: number, tell: (at: number) => void): void {
  const bytes = Math.ceil((ny * nx) / 8);
  for (let byte = 0; byte < bytes; byte++) {
    const eight = bits[z * bytes + byte] ?? 0;
    if (eight === 0) continue;
    for (let bit = 0; bit < 8; bit++) if (((eight >> (7 - bit)) & 1) === 1) tell(byte * 8 + bit);
  }
}

/** Column and row in the middle of what the masks have on a slice; null where they have nothing. */
export function middleOn(
  masks: readonly Uint8Array[],
  shape: Shape,
  z: number,
): [x: number, y: number] | null {
  let [x, y, n] = [0, 0, 0];
  for (const bits of masks) {
    forEachVoxel(bits, shape, z, (at) => {
      x += at % shape[2];
      y += Math.floor(at / shape[2]);
      n += 1;
    });
  }
  return n === 0 ? null : [Math.round(x / n), Math.round(y / n)];
}

export function maskLayer(name: string, bits: Uint8Array, shape: Shape, colour: Rgb): Layer {
  return { name, values: filled(bits, shape, () => 1), colours: [colour, colour] };
}

/** A mask in which each slice has the colour of the model's estimate of it; a slice without one counts as sure. */
export function estimateLayer(name: string, bits: Uint8Array, shape: Shape, scores: SliceScores): Layer {
  return { name, values: filled(bits, shape, (z) => levelOf(scores[z] ?? 1)), colours: SCALE };
}
