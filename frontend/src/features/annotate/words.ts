/** Words of the workspace that several parts of it show. */
import { t } from "@lingui/core/macro";
import type { Gap, SliceState } from "@/canvas/document";
import type { SyncSnapshot } from "@/offline/sync";
import type { NamedWindow } from "./presets";

/** An organ's name inside a sentence: "Liver" becomes "liver", "IVC" stays. */
export function organName(name: string): string {
  return /^\p{Lu}\p{Ll}/u.test(name) ? name.charAt(0).toLowerCase() + name.slice(1) : name;
}

export function stateWord(state: SliceState): string {
  switch (state) {
    case "unknown":
      return t`To do`;
    case "suggested":
      return t`Suggested`;
    case "done":
      return t`Done`;
    case "absent":
      return t`Not here`;
  }
}

export function windowName(name: NamedWindow["name"]): string {
  switch (name) {
    case "own":
      return t`As the project has it`;
    case "soft_tissue":
      return t`Soft tissue`;
    case "liver":
      return t`Liver`;
    case "lung":
      return t`Lung`;
    case "bone":
      return t`Bone`;
  }
}

export function gapWords({ kind, first, last }: Gap): string {
  const [a, b] = [first + 1, last + 1];
  if (kind === "todo") return a === b ? t`Slice ${a}: to do` : t`Slices ${a} to ${b}: to do`;
  return a === b
    ? t`Slice ${a}: look at the suggested boxes`
    : t`Slices ${a} to ${b}: look at the suggested boxes`;
}

export function saveWords({ status, unsent }: SyncSnapshot): string {
  switch (status) {
    case "saved":
      return t`All saved`;
    case "saving":
      return t`Saving…`;
    case "offline":
      return unsent > 0 ? t`Offline · ${unsent} unsent` : t`Offline`;
    case "unsent":
    case "conflict":
    case "signed-out":
    case "closed":
    case "refused":
      return t`${unsent} unsent`;
  }
}
