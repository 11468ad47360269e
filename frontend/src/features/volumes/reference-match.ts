/** Which scan a label map belongs to, by the names: the same rule as of folders of datasets, and a little wider. */
import { nameFrom } from "./upload-queue";

interface Named {
  readonly id: string;
  readonly name: string;
}

/** The channel of nnU-Net: `CASE_0000` is an image of `CASE`. */
const CHANNEL = /_\d{4}$/;
const IMAGE = "images?|imgs?|scans?|volumes?";
const LABELS = "labels?|labelmaps?|segs?|segmentations?|masks?|gt|references?|refs?";

/** Without regard to capitals and to what stands between words. */
function loose(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_|_$/g, "");
}

/** Without the word that says what the file is: `img0001`, `label0001` and `case_1_seg`. */
function bare(name: string, words: string): string {
  return name.replace(new RegExp(`^(?:${words})(?:_|(?=\\d))`), "").replace(new RegExp(`_(?:${words})$`), "");
}

/**
 * The scans of which a label map of this name may be: those called as the file is; else those of nnU-Net's `CASE_0000` for
 * `CASE`, whatever the capitals; else the same without words as "image" and "label". Numbers of a label map are never left
 * out: `case_0007` is not of `case_0001`. None or several: a person has to choose.
 */
export function scansOf<V extends Named>(fileName: string, scans: readonly V[]): readonly V[] {
  const file = nameFrom(fileName);
  const rules: ((scan: string) => boolean)[] = [
    (scan) => scan === file,
    (scan) => loose(scan) === loose(file),
    (scan) => loose(scan).replace(CHANNEL, "") === loose(file),
    (scan) => bare(loose(scan), IMAGE) === bare(loose(file), LABELS),
    (scan) => bare(loose(scan).replace(CHANNEL, ""), IMAGE) === bare(loose(file), LABELS),
  ];
  for (const rule of rules) {
    const found = scans.filter((scan) => rule(scan.name));
    if (found.length > 0) return found;
  }
  return [];
}
