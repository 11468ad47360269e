import { t } from "@lingui/core/macro";
import type { Schema } from "@/api/queries";
import type { Tone } from "@/shared/ui/status";

/** "all" or the names, in the order of the project. */
export function labelsWords(
  indices: readonly number[] | null,
  labels: readonly Pick<Schema<"LabelAnswer">, "index" | "name">[],
): string {
  if (indices === null) return t`all`;
  const names = labels.filter((label) => indices.includes(label.index)).map((label) => label.name);
  return names.length > 0 ? names.join(", ") : t`none that is left`;
}

export function inviteState(state: Schema<"InviteAnswer">["state"]): { words: string; tone: Tone } {
  switch (state) {
    case "open":
      return { words: t`open`, tone: "busy" };
    case "used":
      return { words: t`used`, tone: "good" };
    case "expired":
      return { words: t`time ran out`, tone: "plain" };
    case "revoked":
      return { words: t`taken back`, tone: "plain" };
  }
}
