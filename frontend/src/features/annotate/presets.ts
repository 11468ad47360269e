/** The windows that a person can choose by name. */
import { CT_PRESETS, type Window } from "@/canvas/window";

export interface NamedWindow {
  readonly name: "own" | keyof typeof CT_PRESETS;
  readonly window: Window;
}

/** The keys 1 to 4. The scan's own window comes first where it is none of the usual ones. */
export function presetsOf(own: Window, isCt: boolean): NamedWindow[] {
  if (!isCt) return [{ name: "own", window: own }];
  const usual = (["soft_tissue", "liver", "lung", "bone"] as const).map((name) => ({
    name,
    window: CT_PRESETS[name],
  }));
  const isUsual = usual.some(({ window }) => window.low === own.low && window.high === own.high);
  return isUsual ? usual : [{ name: "own", window: own }, ...usual.slice(0, 3)];
}
