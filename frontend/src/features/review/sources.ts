/** What can be looked at of one organ in one scan: masks of boxes, predictions, and the reference that came with the scan. */
import { t } from "@lingui/core/macro";
import { ApiError, problemOf } from "@/api/problem";
import type { Schema } from "@/api/queries";
import { derivedWords } from "@/shared/texts/derived";
import { score } from "@/shared/texts/format";
import { originWord } from "@/shared/texts/origins";
import { inflated } from "./inflated";
import type { ReviewSearch } from "./search";

export type Mask = Schema<"ProjectMaskAnswer">;
export type Derived = Schema<"DerivedMaskAnswer">;
export type Prediction = Schema<"PredictionAnswer">;

/** What a project has masks of. */
export interface Listed {
  readonly subjects: readonly Schema<"MaskSubject">[];
  readonly predictions: readonly Prediction[];
}

/** The masks of one organ in one scan; the predictions may be of other organs too. */
export interface Found {
  readonly masks: readonly Mask[];
  readonly derived: readonly Derived[];
  readonly predictions: readonly Prediction[];
}

export interface Source {
  readonly id: string;
  readonly name: string;
  /** Under it are `bits`, `file` and, of what a model made of boxes, `uncertainty`. */
  readonly address: string;
  readonly bits: string;
  /** Unlike that of other masks, and of the same one when it was made again. */
  readonly version: string;
  /** What the model said of it; null where no model made it of boxes. */
  readonly made: Schema<"SegmentationAnswer"> | Derived | null;
  /** Submitted work, which can be accepted or sent back. */
  readonly mask: Mask | null;
}

/** One organ of one scan. */
export interface Subject {
  readonly volume: string;
  readonly label: number;
  readonly name: string;
  /** The prediction that is looked at first; null for the masks of boxes. */
  readonly prediction: string | null;
}

/** Those with masks of boxes by scan, then the predictions, each training's worst first. */
export function subjectsOf({ subjects, predictions }: Listed): Subject[] {
  const subject = (one: Schema<"MaskSubject"> | Prediction): Subject => ({
    volume: one.volume_id,
    label: one.label_index,
    name: `${one.volume_name}: ${one.label_name}`,
    prediction: null,
  });
  const unlike = new Map(predictions.map((one) => [one.id, one]));
  const predicted = [...unlike.values()].map((one) => {
    const dice = score(one.volume_dice);
    const name = one.outdated_reference
      ? t`${one.volume_name}: ${one.label_name}, Dice ${dice} of an earlier reference, ${one.training_name}`
      : t`${one.volume_name}: ${one.label_name}, Dice ${dice}, ${one.training_name}`;
    return { ...subject(one), name, prediction: one.id };
  });
  return [...subjects.map(subject), ...predicted];
}

/** The one that the address names, else the first of its scan, else the first of all. */
export function chosenSubject(
  subjects: readonly Subject[],
  { volume, label, mask }: ReviewSearch,
): Subject | null {
  const predicted = mask === null ? undefined : subjects.find((one) => one.prediction === mask);
  const ofVolume = subjects.filter((one) => one.volume === volume);
  return predicted ?? ofVolume.find((one) => one.label === label) ?? ofVolume[0] ?? subjects[0] ?? null;
}

export function sourcesOf(
  { masks, derived, predictions }: Found,
  subject: Subject,
  reference: Schema<"ReferenceAnswer"> | null,
): Source[] {
  const isOf = (one: Mask | Derived | Prediction) =>
    one.volume_id === subject.volume && one.label_index === subject.label;
  const found: Source[] = [
    ...masks.filter(isOf).map((mask) => ({
      ...placed(mask.segmentation.id, `/api/v1/segmentations/${mask.segmentation.id}`),
      name: t`Mask of ${mask.annotator}'s boxes`,
      version: mask.segmentation.mask_sha256,
      made: mask.segmentation,
      mask,
    })),
    ...derived.filter(isOf).map((one) => ({
      ...placed(one.id, `/api/v1/derived-masks/${one.id}`),
      name: t`Dataset's mask: ${derivedWords(one)}, ${one.model}`,
      version: one.mask_sha256,
      made: one,
      mask: null,
    })),
    ...predictions.filter(isOf).map((one) => ({
      ...placed(one.id, `/api/v1/predictions/${one.id}`),
      name: t`Prediction of ${one.training_name}`,
      version: one.mask_sha256,
      made: null,
      mask: null,
    })),
  ];
  if (reference !== null) {
    const origin = originWord(reference.origin);
    const address = `/api/v1/volumes/${subject.volume}/reference`;
    found.push({
      id: REFERENCE,
      name: t`Reference (${origin})`,
      address,
      bits: `${address}/${subject.label}/bits`,
      version: reference.id,
      made: null,
      mask: null,
    });
  }
  return found;
}

export const REFERENCE = "reference";

function placed(id: string, address: string) {
  return { id, address, bits: `${address}/bits` };
}

/** A whole mask in bits, slice after slice, each padded to whole bytes. */
export async function fetchBits({ bits }: Source, signal: AbortSignal): Promise<Uint8Array> {
  return fetchBytes(bits, signal);
}

/** How undecided the model was, by voxel, in hundredths of a bit. */
export async function fetchUncertainty({ address }: Source, signal: AbortSignal): Promise<Uint8Array> {
  return fetchBytes(`${address}/uncertainty`, signal);
}

async function fetchBytes(address: string, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(address, { signal, credentials: "same-origin" });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return new Uint8Array(await inflated(response));
}
