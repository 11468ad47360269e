/** The one IndexedDB database of the browser: unsent work, what it was made on, and what was given up lately. */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { AnnotationDocument } from "../canvas/document";
import type { Operation } from "../canvas/operations";

/** Whose work on what; nobody sees another account's queue on a shared machine. */
export interface Owner {
  readonly account: string;
  readonly annotation: string;
}

export interface Batch extends Owner {
  /** Order in the queue; given by the database. */
  readonly seq: number;
  /** Idempotency-Key: the same at every attempt. */
  readonly key: string;
  readonly operations: readonly Operation[];
  readonly volume_sha256: string;
  readonly client_times: BatchTimes;
  /** When it was begun to be filled, milliseconds since 1970. */
  readonly created: number;
  /** Sending has been tried: from now on it never changes. */
  readonly begun: boolean;
}

export interface BatchTimes {
  readonly began_ms: number;
  /** Slice -> milliseconds on the screen. */
  readonly shown_ms: Readonly<Record<string, number>>;
}

/** What the server had accepted when the queue was empty, plus the accepted batches since. */
export interface Base extends Owner {
  readonly revision: number;
  readonly document: AnnotationDocument;
}

/** Work that a person decided against, kept for a while in case that was a mistake. */
export interface Discarded extends Owner {
  readonly seq: number;
  readonly batches: readonly Batch[];
  readonly at: number;
}

interface Schema extends DBSchema {
  batches: { key: number; value: Batch; indexes: { owner: [string, string] } };
  bases: { key: [string, string]; value: Base };
  discarded: { key: number; value: Discarded; indexes: { owner: [string, string]; at: number } };
}

export type Store = IDBPDatabase<Schema>;

export function openStore(name = "crowdmask"): Promise<Store> {
  return openDB<Schema>(name, 1, {
    upgrade(database) {
      const batches = database.createObjectStore("batches", { keyPath: "seq", autoIncrement: true });
      batches.createIndex("owner", ["account", "annotation"]);
      database.createObjectStore("bases", { keyPath: ["account", "annotation"] });
      const discarded = database.createObjectStore("discarded", { keyPath: "seq", autoIncrement: true });
      discarded.createIndex("owner", ["account", "annotation"]);
      discarded.createIndex("at", "at");
    },
  });
}

let hasAsked = false;

/** Ask the browser, once, not to clear our storage when it runs out of room. */
export function askToPersist(): void {
  if (hasAsked) return;
  hasAsked = true;
  if (typeof navigator !== "undefined") navigator.storage?.persist?.().catch(() => undefined);
}
