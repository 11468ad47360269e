import { useMemo } from "react";
import {
  doubtLayer,
  estimateLayer,
  FIRST_COLOUR,
  type Layer,
  maskLayer,
  type Part,
  partOf,
  SECOND_COLOUR,
} from "./layers";
import type { SliceScores } from "./scores";

interface One {
  readonly name: string;
  /** Null while it is not here, or is not to be seen. */
  readonly bits: Uint8Array | null;
}

/** What lies over the part of the scan that is shown: of the first mask with its estimates and doubts, and of the second. */
export function useLayers({
  part,
  first,
  estimates,
  doubt,
  second,
}: {
  part: Part;
  first: One;
  /** Colour the first by them. */
  estimates: SliceScores | null;
  /** Hundredths of a bit by voxel. */
  doubt: Uint8Array | null;
  second: One;
}): { readonly first: readonly Layer[]; readonly second: readonly Layer[] } {
  const { from, shape } = part;
  const [nz, ny, nx] = shape;
  const firstMask = useMemo(() => {
    if (first.bits === null) return null;
    const bits = partOf(first.bits, { from, shape: [nz, ny, nx] }, Math.ceil((ny * nx) / 8));
    return estimates === null
      ? maskLayer(first.name, bits, [nz, ny, nx], FIRST_COLOUR)
      : estimateLayer(first.name, bits, [nz, ny, nx], estimates.slice(from, from + nz));
  }, [first.bits, first.name, estimates, from, nz, ny, nx]);
  const doubts = useMemo(
    () =>
      doubt === null ? null : doubtLayer("doubt", partOf(doubt, { from, shape: [nz, ny, nx] }, ny * nx)),
    [doubt, from, nz, ny, nx],
  );
  const secondMask = useMemo(() => {
    if (second.bits === null) return null;
    const bits = partOf(second.bits, { from, shape: [nz, ny, nx] }, Math.ceil((ny * nx) / 8));
    return maskLayer(second.name, bits, [nz, ny, nx], SECOND_COLOUR);
  }, [second.bits, second.name, from, nz, ny, nx]);
  return useMemo(
    () => ({
      first: [firstMask, doubts].filter((layer) => layer !== null),
      second: [secondMask].filter((layer) => layer !== null),
    }),
    [firstMask, doubts, secondMask],
  );
}
