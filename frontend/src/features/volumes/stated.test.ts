import { expect, test } from "vitest";
import { sharedStated } from "./stated";

test("what differs between scans is shown as differing, and the same as the same", () => {
  const one = { stated: { patient: "P1", modality: "CT", licence: "" } };
  const other = { stated: { patient: "P2", modality: "CT", licence: "" } };
  expect(sharedStated([one, other])).toEqual({ patient: null, modality: "CT", licence: "" });
  expect(sharedStated([one])).toEqual({ patient: "P1", modality: "CT", licence: "" });
  expect(sharedStated([{ stated: null }])).toEqual({ patient: "", modality: "", licence: "" });
});
