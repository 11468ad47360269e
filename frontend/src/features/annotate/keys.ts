/** Which key does what: by `event.code`, so the place on the keyboard counts, not the letter printed on it. */

export type Command =
  | { readonly do: "step"; readonly slices: number }
  | { readonly do: "ends"; readonly at: "top" | "bottom" }
  | { readonly do: "nudge" | "resize"; readonly dx: number; readonly dy: number }
  | { readonly do: "window"; readonly index: number }
  | { readonly do: "zoom"; readonly factor: number }
  | { readonly do: PlainCommand };

export type PlainCommand =
  | "first"
  | "last"
  | "not-here"
  | "ends-here"
  | "copy"
  | "new-piece"
  | "keyboard-box"
  | "next-to-check"
  | "deselect"
  | "delete"
  | "undo"
  | "redo"
  | "fit"
  | "mask"
  | "guide"
  | "help"
  | "submit";

export interface Key {
  readonly code: string;
  /** The letter itself, for the few signs that stand elsewhere on each keyboard. */
  readonly key: string;
  readonly shift: boolean;
  readonly alt: boolean;
  /** Ctrl, or Cmd on a Mac. */
  readonly ctrl: boolean;
}

/** What the key would act on. */
export interface Focus {
  /** A box of this slice is selected. */
  readonly box: boolean;
  /** Nothing that has a use for Space and Enter has the focus. */
  readonly free: boolean;
  /** The timeline has the focus: arrows are its own. */
  readonly timeline: boolean;
}

const PLAIN: Readonly<Record<string, PlainCommand>> = {
  KeyF: "first",
  KeyL: "last",
  KeyN: "not-here",
  KeyE: "ends-here",
  KeyB: "copy",
  KeyP: "new-piece",
  KeyK: "keyboard-box",
  KeyM: "mask",
  KeyG: "guide",
  Escape: "deselect",
  Delete: "delete",
  Backspace: "delete",
  Digit0: "fit",
  Numpad0: "fit",
};

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Null when the key means nothing here and should do what it always does. */
export function commandOf(key: Key, focus: Focus): Command | null {
  const { code, shift, alt, ctrl } = key;
  const far = shift ? 5 : 1;
  if (ctrl) {
    if (alt) return null;
    if (code === "KeyZ" || key.key.toLowerCase() === "z") return { do: shift ? "redo" : "undo" };
    if (code === "KeyY" && !shift) return { do: "redo" };
    return code === "Enter" ? { do: "submit" } : null;
  }
  const arrow = ARROWS[code];
  if (arrow !== undefined && focus.box && !focus.timeline) {
    return { do: alt ? "resize" : "nudge", dx: arrow[0] * far, dy: arrow[1] * far };
  }
  if (alt) return null;
  if (key.key === "?") return { do: "help" };
  if (key.key === "+" || code === "NumpadAdd") return { do: "zoom", factor: 1.25 };
  if (key.key === "-" || code === "NumpadSubtract") return { do: "zoom", factor: 0.8 };
  switch (code) {
    case "ArrowUp":
    case "KeyW":
      return { do: "step", slices: -far };
    case "ArrowDown":
    case "KeyS":
      return { do: "step", slices: far };
    case "ArrowLeft":
      return focus.timeline ? { do: "step", slices: -far } : null;
    case "ArrowRight":
      return focus.timeline ? { do: "step", slices: far } : null;
    case "PageUp":
      return { do: "step", slices: -5 };
    case "PageDown":
      return { do: "step", slices: 5 };
    case "Home":
      return { do: "ends", at: "top" };
    case "End":
      return { do: "ends", at: "bottom" };
    case "Space":
    case "Enter":
      return focus.free ? { do: "next-to-check" } : null;
  }
  if (shift) return null;
  const digit = /^(?:Digit|Numpad)([1-4])$/.exec(code)?.[1];
  if (digit !== undefined) return { do: "window", index: Number(digit) - 1 };
  const plain = PLAIN[code];
  return plain === undefined ? null : { do: plain };
}
