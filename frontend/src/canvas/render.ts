/** Draws a slice and a mask into a 2D canvas. Slices are int16 (y, x); a mask is bits, eight to a byte, highest bit first. */
import type { SliceSize } from "./geometry";
import { toScreen, type Viewport } from "./viewport";

export type Rgb = readonly [red: number, green: number, blue: number];
/** Okabe-Ito bluish green. */
export const MASK_COLOUR: Rgb = [0, 158, 115];
const FILL_ALPHA = 80;
const OUTLINE_ALPHA = 255;

/** Where the bits of a mask lie on its slice: columns x0..x0+columns, rows y0..y0+rows. */
export interface MaskRegion extends SliceSize {
  readonly x0: number;
  readonly y0: number;
}

/** A mask or a part of one, in bits, and where it lies. */
export interface MaskLayer {
  readonly bits: Uint8Array;
  readonly region: MaskRegion;
}

/** The lookup table as ready pixels, in the byte order of ImageData on little-endian machines (all that browsers run on). */
export function pixelTable(greys: Uint8Array): Uint32Array {
  const pixels = new Uint32Array(greys.length);
  for (let i = 0; i < greys.length; i++) pixels[i] = (0xff000000 | ((greys[i] ?? 0) * 0x010101)) >>> 0;
  return pixels;
}

/** Write a slice's pixels. `out` has as many elements as `values`. */
export function fillPixels(values: Int16Array, table: Uint32Array, out: Uint32Array): void {
  for (let i = 0; i < values.length; i++) out[i] = table[(values[i] ?? 0) + 32_768] ?? 0;
}

/** One bit per voxel to one byte (0 or 1) per voxel. */
export function unpackBits(bits: Uint8Array, count: number): Uint8Array {
  const mask = new Uint8Array(count);
  for (let i = 0; i < count; i++) mask[i] = ((bits[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
  return mask;
}

/** RGBA bytes of a mask (0 or 1 per voxel): translucent inside, opaque where it meets the outside. */
export function maskPixels(
  mask: Uint8Array,
  { columns, rows }: SliceSize,
  [r, g, b]: Rgb,
): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(columns * rows * 4);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      if (mask[i] !== 1) continue;
      const isInside =
        x > 0 &&
        y > 0 &&
        x < columns - 1 &&
        y < rows - 1 &&
        mask[i - 1] === 1 &&
        mask[i + 1] === 1 &&
        mask[i - columns] === 1 &&
        mask[i + columns] === 1;
      out.set([r, g, b, isInside ? FILL_ALPHA : OUTLINE_ALPHA], i * 4);
    }
  }
  return out;
}

/** Paints into one canvas. Keeps one picture of the slice and one of the mask, so that zoom and pan repaint nothing. */
export class SlicePainter {
  private readonly slice: HTMLCanvasElement;
  private readonly sliceContext: CanvasRenderingContext2D;
  private readonly pixels: ImageData;
  private mask: { picture: HTMLCanvasElement; region: MaskRegion } | null = null;
  private hasSlice = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly size: SliceSize,
  ) {
    this.slice = canvas.ownerDocument.createElement("canvas");
    this.slice.width = size.columns;
    this.slice.height = size.rows;
    this.sliceContext = context(this.slice);
    this.pixels = this.sliceContext.createImageData(size.columns, size.rows);
  }

  /** The slice to show, or null for none: an old picture never stands under a new number. */
  setSlice(values: Int16Array | null, table: Uint32Array): void {
    this.hasSlice = values !== null;
    if (values === null) return;
    if (values.length !== this.size.columns * this.size.rows)
      throw new RangeError("This slice has another size.");
    fillPixels(values, table, new Uint32Array(this.pixels.data.buffer));
    this.sliceContext.putImageData(this.pixels, 0, 0);
  }

  /** The mask to lay over it, or null. */
  setMask(layer: MaskLayer | null, colour: Rgb = MASK_COLOUR): void {
    this.mask = null;
    if (layer === null) return;
    const { bits, region } = layer;
    if (region.columns === 0 || region.rows === 0) return;
    const picture = this.canvas.ownerDocument.createElement("canvas");
    picture.width = region.columns;
    picture.height = region.rows;
    const mask = unpackBits(bits, region.columns * region.rows);
    const image = new ImageData(maskPixels(mask, region, colour), region.columns, region.rows);
    context(picture).putImageData(image, 0, 0);
    this.mask = { picture, region };
  }

  /** Draw all. `ratio` is device pixels per CSS pixel. */
  draw(view: Viewport, ratio: number, smooth = true): void {
    const width = Math.max(1, Math.round(view.width * ratio));
    const height = Math.max(1, Math.round(view.height * ratio));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const target = context(this.canvas);
    target.setTransform(1, 0, 0, 1, 0, 0);
    target.fillStyle = "#000";
    target.fillRect(0, 0, width, height);
    const origin = toScreen(view, { x: 0, y: 0 });
    const sx = view.spacing.x * view.scale * ratio;
    const sy = view.spacing.y * view.scale * ratio;
    target.setTransform(sx, 0, 0, sy, origin.x * ratio, origin.y * ratio);
    // Close up, voxels are shown as they are: that is what a box snaps to.
    target.imageSmoothingEnabled = smooth && Math.max(sx, sy) < 6 * ratio;
    if (this.hasSlice) target.drawImage(this.slice, 0, 0);
    if (this.mask !== null) {
      target.imageSmoothingEnabled = false;
      target.drawImage(this.mask.picture, this.mask.region.x0, this.mask.region.y0);
    }
  }
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext("2d");
  if (found === null) throw new Error("This browser gives no 2D canvas.");
  return found;
}
