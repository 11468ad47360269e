/** Which way is which, and how large. Canonical LPS: columns rise to the patient's Left, rows to the Posterior. */

export type Direction = "R" | "L" | "A" | "P" | "S" | "I";
export interface EdgeLetters {
  readonly left: Direction;
  readonly right: Direction;
  readonly top: Direction;
  readonly bottom: Direction;
}

/** Letters at the edges of an axial slice. Radiological: the patient's right is on the left of the screen. */
export const AXIAL_LETTERS: EdgeLetters = { left: "R", right: "L", top: "A", bottom: "P" };

export interface ScaleBar {
  readonly mm: number;
  /** Length in CSS pixels. */
  readonly px: number;
}

const LENGTHS_MM = [500, 200, 100, 50, 20, 10, 5, 2, 1];

/** The longest round length that is at most `longest` CSS pixels; null when even one millimetre is longer. */
export function scaleBar(pxPerMm: number, longest: number): ScaleBar | null {
  const mm = LENGTHS_MM.find((length) => length * pxPerMm <= longest);
  return mm === undefined ? null : { mm, px: mm * pxPerMm };
}
