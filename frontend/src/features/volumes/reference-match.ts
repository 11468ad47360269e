/** Which scan a label map belongs to, by the names: the same rule as of folders of datasets, and a little wider. */
import { nameFrom } from "./upload-queue";

interface Named {
  readonly id: string;
  readonly name: string;
  /** What the server said of the file. */
  readonly notices: readonly { readonly code: string }[];
}

/** Of a scan that is a label map itself, sent as a scan by mistake. */
const LOOKS_LIKE_LABELS = "looks_like_labels";

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
 * out: `case_0007` is not of `case_0001`. None or several: a person has to choose. A scan that looks like a label map is one
 * only where no other fits: it has the name of its file, and a label map sent twice would find itself.
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
  const images = scans.filter((scan) => !scan.notices.some(({ code }) => code === LOOKS_LIKE_LABELS));
  for (const some of [images, scans]) {
    for (const rule of rules) {
      const found = some.filter((scan) => rule(scan.name));
      if (found.length > 0) return found;
    }
  }
  return [];
}
