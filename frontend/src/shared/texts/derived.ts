/** What a mask that a dataset asked for was made of. */
import { t } from "@lingui/core/macro";

export function derivedWords(mask: {
  readonly rule: string;
  readonly completion: string;
  readonly annotators: readonly string[];
}): string {
  const people = mask.annotators.join(", ");
  const whose = mask.rule === "single" ? t`boxes of ${people}` : t`median boxes of ${people}`;
  const { completion } = mask;
  return completion === "none" ? whose : t`${whose}, completion ${completion}`;
}
