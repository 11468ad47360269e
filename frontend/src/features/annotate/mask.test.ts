import { expect, test } from "vitest";
import { sliceBits } from "./mask";

test("each slice of a mask begins at a whole byte", () => {
  // 3 x 3 voxels are nine bits: two bytes a slice.
  const whole = new Uint8Array([1, 2, 3, 4, 5, 6]);
  expect([...sliceBits(whole, { columns: 3, rows: 3 }, 1)]).toEqual([3, 4]);
});
