import { describe, expect, it } from "vitest";
import { byReason, choiceOf, type Draft, draftProblems, EMPTY_DRAFT, folders } from "./draft";

describe("a dataset's draft", () => {
  it("is good as it begins, and asks for the defaults", () => {
    expect(draftProblems(EMPTY_DRAFT)).toEqual([]);
    expect(choiceOf(EMPTY_DRAFT)).toEqual({
      labels: [],
      source: "first",
      annotator: null,
      unfinished: false,
      min_completeness: 0,
      accepted_only: false,
      min_annotators: 1,
      min_agreement: null,
      min_predicted_iou: null,
      modalities: [],
      completion: null,
      confirmed_only: false,
      partial: "drop-volume",
      overlap_rule: "smallest-wins",
      test: [],
      test_share: 0,
      folds: 0,
      seed: 0,
      model: null,
    });
  });

  it("says what is wrong with it", () => {
    const bad: Draft = {
      ...EMPTY_DRAFT,
      labels: [],
      source: "annotator",
      unfinished: true,
      completeness: "101",
      annotators: "0",
      agreement: "1.2",
      predictedIou: "x",
      testChoice: "share",
      testShare: "",
      folds: "1",
      seed: "-1",
    };
    expect(draftProblems(bad)).toEqual([
      "labels_missing",
      "annotator_missing",
      "completeness_range",
      "annotators_range",
      "agreement_range",
      "predicted_iou_range",
      "share_range",
      "folds_range",
      "seed_range",
    ]);
    expect(draftProblems({ ...EMPTY_DRAFT, testChoice: "named" })).toEqual(["test_missing"]);
  });

  it("sends no conditions on people's work with references, whatever was typed before", () => {
    const draft: Draft = {
      ...EMPTY_DRAFT,
      source: "reference",
      annotator: "a",
      unfinished: true,
      annotators: "3",
      agreement: "0,8",
      completion: "full",
      confirmedOnly: true,
      model: "medsam",
    };
    expect(draftProblems(draft)).toEqual([]);
    expect(choiceOf(draft)).toEqual({ ...choiceOf(EMPTY_DRAFT), source: "reference" });
  });

  it("asks for accepted work alone, whatever was typed of unfinished work", () => {
    const draft: Draft = { ...EMPTY_DRAFT, acceptedOnly: true, unfinished: true, completeness: "x" };
    expect(draftProblems(draft)).toEqual([]);
    expect(choiceOf(draft)).toEqual({ ...choiceOf(EMPTY_DRAFT), accepted_only: true });
  });

  it("turns per cent into shares and takes a decimal comma", () => {
    const draft: Draft = {
      ...EMPTY_DRAFT,
      unfinished: true,
      completeness: "75",
      agreement: "0,8",
      testChoice: "share",
      testShare: "25",
      test: ["v"],
      folds: "5",
    };
    expect(choiceOf(draft)).toMatchObject({
      unfinished: true,
      min_completeness: 0.75,
      min_agreement: 0.8,
      test_share: 0.25,
      test: [],
      folds: 5,
    });
  });
});

it("puts volumes with the same reason together, the most frequent first", () => {
  const out = (volume_name: string, reason: string) => ({ volume_name, reason });
  expect(byReason([out("a", "x"), out("b", "y"), out("c", "y")])).toEqual([
    { reason: "y", names: ["b", "c"] },
    { reason: "x", names: ["a"] },
  ]);
});

it("puts files into their folders and those at the top last", () => {
  expect(folders(["dataset.json", "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"])).toEqual([
    { name: "imagesTr", files: ["a_0000.nii.gz"] },
    { name: "labelsTr", files: ["a.nii.gz"] },
    { name: "", files: ["dataset.json"] },
  ]);
});
