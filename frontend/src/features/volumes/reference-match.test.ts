import { describe, expect, it } from "vitest";
import { scansOf } from "./reference-match";

function found(file: string, ...names: string[]): string[] {
  return scansOf(
    file,
    names.map((name) => ({ id: name, name, notices: [] })),
  ).map((scan) => scan.name);
}

describe("the scan of a label map", () => {
  it("is the one that is called as the file is", () => {
    expect(found("CT 1.nii.gz", "CT 1", "ct_1", "CT 10")).toEqual(["CT 1"]);
    expect(found("case_0012.nii", "case_0011", "case_0012")).toEqual(["case_0012"]);
  });

  it("is the one whose first channel nnU-Net calls CASE_0000", () => {
    expect(found("STS_002.nii.gz", "STS_002_0000", "STS_006_0000")).toEqual(["STS_002_0000"]);
  });

  it("is found whatever the capitals, and what stands between words", () => {
    expect(found("liver-07.NII.GZ", "Liver 07", "Liver 08")).toEqual(["Liver 07"]);
  });

  it("is found behind words that say what a file is", () => {
    expect(found("label0001.nii.gz", "img0001", "img0002")).toEqual(["img0001"]);
    expect(found("CT_mask.nii.gz", "CT_image", "PET_image")).toEqual(["CT_image"]);
    expect(found("CT_1_reference.nii.gz", "CT 1", "CT 2")).toEqual(["CT 1"]);
    expect(found("labels_case7.nii.gz", "case7_0000")).toEqual(["case7_0000"]);
    expect(found("case_0001_seg.nii.gz", "case_0001", "case_0002")).toEqual(["case_0001"]);
    expect(found("label0001_0000.nii.gz", "img0001_0000", "img0002_0000")).toEqual(["img0001_0000"]);
  });

  it("is not one with another number", () => {
    expect(found("case_0007.nii.gz", "case_0001")).toEqual([]);
    expect(found("label_0007.nii.gz", "img_0001", "case_0007_0000")).toEqual([]);
  });

  it("is found by letters that a file system takes apart", () => {
    expect(found("Ängström 1.nii.gz".normalize("NFD"), "Ängström 1")).toEqual(["Ängström 1"]);
  });

  it("is the image, not the label map that was sent as a scan before", () => {
    const image = { id: "image", name: "case_0000", notices: [] };
    const mistake = { id: "mistake", name: "case", notices: [{ code: "looks_like_labels" }] };
    expect(scansOf("case.nii.gz", [mistake, image])).toEqual([image]);
    expect(scansOf("case.nii.gz", [mistake])).toEqual([mistake]);
  });

  it("is nobody's guess where several or none fit", () => {
    expect(found("a.nii.gz", "a_0000", "a_0001")).toEqual(["a_0000", "a_0001"]);
    expect(found("labels.nii.gz", "CT 1", "CT 2")).toEqual([]);
    expect(found("CT.nii.gz", "CT 1")).toEqual([]);
  });
});
