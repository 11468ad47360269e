import type { Schema } from "@/api/queries";

export type Stated = Schema<"StatedAnswer">;

/** As DICOM calls them; others may be typed. */
export const MODALITIES = ["CT", "MR", "PT", "US"];

type HasStated = { readonly stated: Stated | null };

/** What is the same for all of them; null where they differ. */
export function sharedStated(volumes: readonly HasStated[]): Record<keyof Stated, string | null> {
  const shared = (name: keyof Stated) => {
    const values = new Set(volumes.map((volume) => volume.stated?.[name] ?? ""));
    return values.size === 1 ? ([...values][0] ?? "") : null;
  };
  return { patient: shared("patient"), modality: shared("modality"), licence: shared("licence") };
}
