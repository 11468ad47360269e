import { expect, test } from "vitest";
import { gapWords, organName } from "./words";

test("an organ's name fits into a sentence, and an abbreviation stays one", () => {
  expect(organName("Left kidney")).toBe("left kidney");
  expect(organName("IVC")).toBe("IVC");
  expect(organName("spleen")).toBe("spleen");
});

test("gaps are counted from one", () => {
  expect(gapWords({ kind: "todo", first: 11, last: 17 })).toBe("Slices 12 to 18: to do");
  expect(gapWords({ kind: "suggested", first: 4, last: 4 })).toBe("Slice 5: look at the suggested boxes");
});
