import { expect, it } from "vitest";
import { score } from "@/shared/texts/format";
import { mean, signed } from "./words";

it("says of how many pairs a mean is where it is not of all", () => {
  expect(mean({ mean: 0.5, n: 3 }, 3, score)).toBe("0.500");
  expect(mean({ mean: 0.5, n: 2 }, 3, score)).toBe("0.500 (2)");
  expect(mean({ mean: null, n: 0 }, 3, score)).toBe("–");
});

it("writes a difference with its sign", () => {
  expect([2, -3, 0, null].map(signed)).toEqual(["+2", "−3", "0", "–"]);
});
