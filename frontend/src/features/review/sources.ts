/** What can be looked at of one organ in one scan: people's masks, and the reference that came with the scan. */
import { t } from "@lingui/core/macro";
import { ApiError, problemOf } from "@/api/problem";
import type { Schema } from "@/api/queries";
import { originWord } from "@/shared/texts/origins";
import { inflated } from "./inflated";
import type { ReviewSearch } from "./search";

export type Mask = Schema<"ProjectMaskAnswer">;

export interface Source {
  readonly id: string;
  readonly name: string;
  /** Where its bits are. */
  readonly address: string;
  /** Null for a reference. */
  readonly mask: Mask | null;
}

/** One organ of one scan of which there are masks. */
export interface Subject {
  readonly volume: string;
  readonly label: number;
  readonly name: string;
}

export function subjectsOf(masks: readonly Mask[]): Subject[] {
  const found = new Map<string, Subject>();
  for (const { volume_id, volume_name, label_index, label_name } of masks) {
    const subject = { volume: volume_id, label: label_index, name: `${volume_name}: ${label_name}` };
    found.set(`${volume_id} ${label_index}`, subject);
  }
  return [...found.values()];
}

/** The one that the address names, else the first of its scan, else the first of all. */
export function chosenSubject(subjects: readonly Subject[], { volume, label }: ReviewSearch): Subject | null {
  const ofVolume = subjects.filter((one) => one.volume === volume);
  return ofVolume.find((one) => one.label === label) ?? ofVolume[0] ?? subjects[0] ?? null;
}

export function sourcesOf(
  masks: readonly Mask[],
  subject: Subject,
  reference: Schema<"ReferenceAnswer"> | null,
): Source[] {
  const found: Source[] = masks
    .filter((mask) => mask.volume_id === subject.volume && mask.label_index === subject.label)
    .map((mask) => ({
      id: mask.segmentation.id,
      name: t`Mask of ${mask.annotator}'s boxes`,
      address: `/api/v1/segmentations/${mask.segmentation.id}/bits`,
      mask,
    }));
  if (reference !== null) {
    const origin = originWord(reference.origin);
    found.push({
      id: "reference",
      name: t`Reference (${origin})`,
      address: `/api/v1/volumes/${subject.volume}/reference/${subject.label}/bits`,
      mask: null,
    });
  }
  return found;
}

/** A whole mask in bits, slice after slice, each padded to whole bytes. */
export async function fetchBits({ address }: Source, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(address, { signal, credentials: "same-origin" });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return new Uint8Array(await inflated(response));
}
