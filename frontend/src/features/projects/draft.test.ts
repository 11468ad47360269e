import { describe, expect, it } from "vitest";
import { type Draft, doubledNames, draftProblems, EMPTY_DRAFT, formOf, namesIn, patchOf } from "./draft";

const GOOD: Draft = { ...EMPTY_DRAFT, name: "Abdomen", labels: ["Liver", "Spleen"] };

describe("a project as it is written", () => {
  it("takes names by line, comma and semicolon, without what surrounds them", () => {
    expect(namesIn(" Liver,Spleen\r\n left   kidney ;; ")).toEqual(["Liver", "Spleen", "left kidney"]);
    expect(namesIn(" \n , ")).toEqual([]);
  });

  it("finds names that stand twice whatever their letters' case", () => {
    expect(doubledNames(["Liver", "Spleen", "liver"])).toEqual(["liver"]);
  });

  it("needs a name and an organ", () => {
    expect(draftProblems(EMPTY_DRAFT)).toEqual(["name_missing", "labels_missing"]);
    expect(draftProblems(GOOD)).toEqual([]);
  });

  it.each([
    [{ windowChoice: "custom", low: "a", high: "1" }, "window_numbers"],
    [{ windowChoice: "custom", low: "", high: "1" }, "window_numbers"],
    [{ windowChoice: "custom", low: "40", high: "40" }, "window_order"],
    [{ overlap: "0" }, "overlap_range"],
    [{ overlap: "1.5" }, "overlap_range"],
    [{ overlap: "101" }, "overlap_range"],
    [{ heading: "  " }, "heading_missing"],
    [{ labels: ["Liver", "LIVER"] }, "labels_twice"],
  ] as const)("refuses %o", (changes, problem) => {
    expect(draftProblems({ ...GOOD, ...changes })).toEqual([problem]);
  });

  it("ignores the two values where they are not asked for", () => {
    expect(draftProblems({ ...GOOD, windowChoice: "own", low: "x" })).toEqual([]);
    expect(formOf({ ...GOOD, windowChoice: "own", low: "x" }).window).toBeNull();
  });

  it("becomes the form of the API, numbers as numbers", () => {
    const form = formOf({ ...GOOD, windowChoice: "custom", low: "-160", high: "240,5", overlap: "3" });
    expect(form).toEqual({
      name: "Abdomen",
      labels: [
        { name: "Liver", guide: "" },
        { name: "Spleen", guide: "" },
      ],
      window: { low: -160, high: 240.5 },
      overlap: 3,
      label_heading: "Organ",
      consent_text: "",
      completion: "none",
      citation: "",
    });
  });

  it("sends only what was changed, and null to go back to each scan's own values", () => {
    expect(patchOf(GOOD, GOOD)).toEqual({});
    expect(patchOf(GOOD, { ...GOOD, overlap: "2" })).toEqual({ overlap: 2 });
    const softTissue: Draft = { ...GOOD, windowChoice: "soft_tissue" };
    expect(patchOf(softTissue, GOOD)).toEqual({ window: null });
    expect(patchOf(GOOD, softTissue)).toEqual({ window: { low: -160, high: 240 } });
    expect(patchOf(GOOD, { ...GOOD, completion: "fill", citation: " Doe 2020 " })).toEqual({
      completion: "fill",
      citation: "Doe 2020",
    });
  });
});
