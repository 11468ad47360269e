import { useLingui } from "@lingui/react/macro";
import { useEffect } from "react";
import type { Editor } from "@/canvas/editor";
import type { Sync } from "@/offline/sync";
import { useToasts } from "@/shared/ui/toast";
import { useStore } from "./hooks";
import { saveWords, stateWord } from "./words";

const QUIET_MS = 400;
const NOTHING = { subscribe: () => () => undefined, getSnapshot: () => null };

/** Says what the eye sees: the slice with its state, once the scrolling rests, and whether the work is saved. */
export function useAnnouncements(editor: Editor, sync: Sync | null): void {
  const { t } = useLingui();
  const { announce } = useToasts();
  const { z, states } = useStore(editor);
  const state = states[z] ?? "unknown";
  const n = states.length;
  const number = z + 1;
  const saving = useStore<ReturnType<Sync["getSnapshot"]> | null>(sync ?? NOTHING);
  // "Saving" comes and goes too quickly to be worth a word.
  const saved = saving?.status === "saved" || saving?.status === "offline" ? saveWords(saving) : "";

  useEffect(() => {
    const word = stateWord(state);
    const timer = setTimeout(() => announce(t`Slice ${number} of ${n}: ${word}`), QUIET_MS);
    return () => clearTimeout(timer);
  }, [announce, number, n, state, t]);

  useEffect(() => {
    if (saved === "") return;
    const timer = setTimeout(() => announce(saved), QUIET_MS * 3);
    return () => clearTimeout(timer);
  }, [announce, saved]);
}
