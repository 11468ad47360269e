import { t } from "@lingui/core/macro";

export const ORIGINS = ["expert", "model", "generated", "unknown"] as const;
export type Origin = (typeof ORIGINS)[number];

/** Who made a reference. */
export function originWord(origin: Origin): string {
  switch (origin) {
    case "expert":
      return t`expert`;
    case "model":
      return t`model`;
    case "generated":
      return t`generated`;
    case "unknown":
      return t`not known`;
  }
}
