/** Reading documents and operations from JSON that others wrote (server, other tab, IndexedDB): every value is checked. */
import { type AnnotationDocument, checkDocument } from "./document";
import { Refusal, type RefusalCode } from "./errors";
import { type Box, checkBox } from "./geometry";
import { type Intervals, intervals, type Range } from "./intervals";
import { BOX_SOURCES, type BoxSource, type Keyframe, type Keyframes, makeTrack, type Track } from "./tracks";

const INDEX = /^(0|[1-9][0-9]{0,5})$/;
const LARGEST = 2 ** 31 - 1;

function refuse(place: string, what: string, code: RefusalCode = "operation_invalid"): never {
  throw new Refusal(code, `${place} ${what}.`);
}

/** An object with exactly these fields. */
export function readFields(value: unknown, place: string, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(place, "must be an object");
  const found = value as Record<string, unknown>;
  for (const name of names) if (!Object.hasOwn(found, name)) refuse(place, `lacks ${name}`);
  const extra = Object.keys(found).find((name) => !names.includes(name));
  if (extra !== undefined) refuse(place, `has an unknown field ${extra.slice(0, 60)}`);
  return found;
}

export function readInteger(value: unknown, place: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > LARGEST) {
    return refuse(place, "must be a whole number");
  }
  return value;
}

export function readText(value: unknown, place: string): string {
  return typeof value === "string" ? value : refuse(place, "must be text");
}

function readList(value: unknown, place: string, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(place, "must be a list");
  if (length !== undefined && value.length !== length) return refuse(place, `must have ${length} elements`);
  return value;
}

function readRange(value: unknown, place: string): Range {
  const [first, last] = readList(value, place, 2).map((element) => readInteger(element, place));
  if (first === undefined || last === undefined || first > last) return refuse(place, "runs backwards");
  return [first, last];
}

function readIntervals(value: unknown, place: string): Intervals {
  return intervals(readList(value, place).map((element, i) => readRange(element, `${place}[${i}]`)));
}

export function readBox(value: unknown, place: string): Box {
  if (!Array.isArray(value) || value.length !== 4)
    return refuse(place, "must be four numbers", "box_invalid");
  const [x0, y0, x1, y1] = value as unknown[];
  if (typeof x0 !== "number" || typeof y0 !== "number" || typeof x1 !== "number" || typeof y1 !== "number") {
    return refuse(place, "must be four numbers", "box_invalid");
  }
  const box: Box = [x0, y0, x1, y1];
  checkBox(box);
  return box;
}

export function readSource(value: unknown, place: string): BoxSource {
  return BOX_SOURCES.find((source) => source === value) ?? refuse(place, "is no source of a box");
}

export function readKeyframes(value: unknown, place: string): Keyframes {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(place, "must be an object");
  const found: Record<number, Keyframe> = {};
  for (const [key, entry] of Object.entries(value as Record<string, unknown>)) {
    if (!INDEX.test(key)) refuse(place, `has the key ${key.slice(0, 60)}, which is not a slice`);
    const fields = readFields(entry, `${place}.${key}`, ["box", "source"]);
    found[Number(key)] = {
      box: readBox(fields.box, `${place}.${key}.box`),
      source: readSource(fields.source, `${place}.${key}.source`),
    };
  }
  return found;
}

function readTrack(value: unknown, place: string): Track {
  const given = readFields(value, place, ["id", "first", "last", "keyframes", "confirmed"]);
  return makeTrack(
    readText(given.id, `${place}.id`),
    readInteger(given.first, `${place}.first`),
    readInteger(given.last, `${place}.last`),
    readKeyframes(given.keyframes, `${place}.keyframes`),
    readIntervals(given.confirmed, `${place}.confirmed`),
  );
}

/** The document a JSON value holds. Throws a Refusal that names the place. */
export function readDocument(value: unknown, place = "document"): AnnotationDocument {
  const names = ["shape", "tracks", "absent", "beyond", "label_range", "not_in_volume"];
  const given = readFields(value, place, names);
  const [nz = 0, ny = 0, nx = 0] = readList(given.shape, `${place}.shape`, 3).map((n) =>
    readInteger(n, `${place}.shape`),
  );
  if (typeof given.not_in_volume !== "boolean") refuse(`${place}.not_in_volume`, "must be true or false");
  return checkDocument({
    shape: [nz, ny, nx],
    tracks: readList(given.tracks, `${place}.tracks`).map((track, i) =>
      readTrack(track, `${place}.tracks[${i}]`),
    ),
    absent: readIntervals(given.absent, `${place}.absent`),
    beyond: readIntervals(given.beyond, `${place}.beyond`),
    label_range: given.label_range === null ? null : readRange(given.label_range, `${place}.label_range`),
    not_in_volume: given.not_in_volume === true,
  });
}
