/** How good each slice is, and which is the worst. */

/** By slice, 0..1; null where nothing can be said. */
export type SliceScores = readonly (number | null)[];

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest > 0; rest >>= 1) ones += rest & 1;
  return ones;
});

/** Dice of every slice of two masks in bits; null on slices where neither has a voxel. */
export function diceBySlice(a: Uint8Array, b: Uint8Array, slices: number): SliceScores {
  if (a.length !== b.length) throw new RangeError("The two masks are of different scans.");
  const bytes = a.length / slices;
  return Array.from({ length: slices }, (_, z) => {
    let [both, all] = [0, 0];
    for (let i = z * bytes; i < (z + 1) * bytes; i++) {
      const [x, y] = [a[i] ?? 0, b[i] ?? 0];
      both += ONES[x & y] ?? 0;
      all += (ONES[x] ?? 0) + (ONES[y] ?? 0);
    }
    return all === 0 ? null : (2 * both) / all;
  });
}

/** The model's estimates of its slices, as the API gives them. */
export function estimates(predicted: Readonly<Record<string, unknown>>, slices: number): SliceScores {
  return Array.from({ length: slices }, (_, z) => {
    const value = predicted[z];
    return value === undefined ? null : Number(value);
  });
}

/** Slices from the worst to the best; those of which nothing is known are left out. */
export function worstFirst(scores: SliceScores): number[] {
  return scores
    .flatMap((score, z) => (score === null ? [] : [{ score, z }]))
    .sort((one, other) => one.score - other.score || one.z - other.z)
    .map(({ z }) => z);
}

/** The slices on which a mask has something. */
export function slicesWith(bits: Uint8Array, slices: number): number[] {
  const bytes = bits.length / slices;
  return Array.from({ length: slices }, (_, z) => z).filter((z) =>
    bits.subarray(z * bytes, (z + 1) * bytes).some((eight) => eight !== 0),
  );
}

export function mean(scores: SliceScores): number | null {
  const known = scores.filter((score) => score !== null);
  return known.length === 0 ? null : known.reduce((sum, score) => sum + score, 0) / known.length;
}
