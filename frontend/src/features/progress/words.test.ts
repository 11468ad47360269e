import { describe, expect, it } from "vitest";
import type { Schema } from "@/api/queries";
import { endWords, gapWords, holeWords, personState } from "./words";

const NOW = new Date(2026, 4, 4, 12);

function person(changes: Partial<Schema<"PersonOnTask">> = {}): Schema<"PersonOnTask"> {
  return {
    assignment_id: "s",
    account_id: "a",
    name: "Ana",
    state: "reserved",
    lease_until: new Date(2026, 4, 4, 15, 40).toISOString(),
    assigned: false,
    late: false,
    annotation_id: null,
    annotation_state: null,
    share: 0,
    holes: [],
    unverified_ends: [],
    suggested: [],
    not_in_volume: false,
    submitted_at: null,
    mask_state: "none",
    segmentation_id: null,
    ...changes,
  };
}

describe("what is missing, in words", () => {
  it("names holes by their slices, counted from 1", () => {
    expect(
      holeWords([
        [11, 17],
        [30, 30],
      ]),
    ).toEqual(["slices 12 to 18 not looked at", "slice 31 not looked at"]);
  });

  it("names an end by the slice that it lies behind", () => {
    expect(endWords([[77, 129]], 130)).toEqual(["end above slice 77 not looked at"]);
    expect(endWords([[0, 3]], 130)).toEqual(["end below slice 5 not looked at"]);
    expect(endWords([[2, 3]], 130)).toEqual(["slices 3 to 4 at the end not looked at"]);
  });

  it("gives the ends first, then holes, then what was filled in", () => {
    expect(gapWords(person({ holes: [[4, 5]], unverified_ends: [[8, 9]], suggested: [[1, 1]] }), 10)).toEqual(
      ["end above slice 8 not looked at", "slices 5 to 6 not looked at", "slice 2 filled in, not checked"],
    );
  });

  it("says where a person stands", () => {
    expect(personState(person(), NOW).words).toMatch(/^reserved until .*40/);
    expect(personState(person({ late: true }), NOW).words).toBe("late");
    expect(personState(person({ state: "expired" }), NOW).words).toBe("time ran out");
    expect(personState(person({ state: "taken_back" }), NOW).words).toBe("taken back");
    const submitted = person({ state: "submitted", submitted_at: NOW.toISOString() });
    expect(personState(submitted, NOW).words).toMatch(/^submitted /);
    expect(personState({ ...submitted, late: true }, NOW).words).toMatch(/^submitted late /);
    expect(personState({ ...submitted, annotation_state: "returned" }, NOW).words).toBe("returned");
  });
});
