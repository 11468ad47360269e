/** Unsent work of one account on one annotation, in order. Every change is on disk before its promise resolves. */
import type { AnnotationDocument } from "../canvas/document";
import type { Operation } from "../canvas/operations";
import { askToPersist, type Base, type Batch, type Discarded, type Owner, type Store } from "./store";

/** Operations that are merged into one batch before it is first sent. The server takes up to 1,000. */
export const BATCH_OPERATIONS = 200;
const KEEP_DISCARDED_MS = 7 * 24 * 3_600_000;

export interface Addition {
  readonly operations: readonly Operation[];
  readonly volumeSha256: string;
  readonly shownMs?: Readonly<Record<string, number>>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export class Queue {
  constructor(
    private readonly store: Store,
    readonly owner: Owner,
    private readonly newKey: () => string = () => crypto.randomUUID(),
  ) {}

  private get range(): [string, string] {
    return [this.owner.account, this.owner.annotation];
  }

  /** Put operations at the end: into the last batch while that has not been sent, else into a new one. */
  async add({ operations, volumeSha256, shownMs = {}, now }: Addition): Promise<void> {
    askToPersist();
    const transaction = this.store.transaction("batches", "readwrite", { durability: "strict" });
    const cursor = await transaction.store.index("owner").openCursor(IDBKeyRange.only(this.range), "prev");
    const last = cursor?.value;
    const rest = [...operations];
    let shown = shownMs;
    if (last !== undefined && !last.begun && last.volume_sha256 === volumeSha256) {
      const taken = rest.splice(0, Math.max(0, BATCH_OPERATIONS - last.operations.length));
      const times = { ...last.client_times, shown_ms: summed(last.client_times.shown_ms, shown) };
      await transaction.store.put({
        ...last,
        operations: [...last.operations, ...taken],
        client_times: times,
      });
      shown = {};
    }
    while (rest.length > 0) {
      const batch: Omit<Batch, "seq"> = {
        ...this.owner,
        key: this.newKey(),
        operations: rest.splice(0, BATCH_OPERATIONS),
        volume_sha256: volumeSha256,
        client_times: { began_ms: now, shown_ms: shown },
        created: now,
        begun: false,
      };
      // The database gives `seq`.
      await transaction.store.add(batch as Batch);
      shown = {};
    }
    await transaction.done;
  }

  list(): Promise<Batch[]> {
    return this.store.getAllFromIndex("batches", "owner", this.range);
  }

  /** The number of operations that the server has not accepted. */
  async countUnsent(): Promise<number> {
    return (await this.list()).reduce((sum, batch) => sum + batch.operations.length, 0);
  }

  /** The first batch, from now on unchangeable; null when the queue is empty. */
  async beginFirst(): Promise<Batch | null> {
    const transaction = this.store.transaction("batches", "readwrite", { durability: "strict" });
    const cursor = await transaction.store.index("owner").openCursor(IDBKeyRange.only(this.range));
    if (cursor === null) return null;
    const batch: Batch = { ...cursor.value, begun: true };
    if (!cursor.value.begun) await transaction.store.put(batch);
    await transaction.done;
    return batch;
  }

  /** A batch was accepted: it leaves the queue, and the base takes its place, in one transaction. */
  async accepted(batch: Batch, revision: number, document: AnnotationDocument): Promise<void> {
    const transaction = this.store.transaction(["batches", "bases"], "readwrite", { durability: "strict" });
    await transaction.objectStore("batches").delete(batch.seq);
    await transaction.objectStore("bases").put({ ...this.owner, revision, document });
    await transaction.done;
  }

  base(): Promise<Base | undefined> {
    return this.store.get("bases", this.range);
  }

  async setBase(revision: number, document: AnnotationDocument): Promise<void> {
    await this.store.put("bases", { ...this.owner, revision, document });
  }

  /**
   * Replace all unsent work, after a conflict was decided, on a new base. With `keep` what leaves is put aside for a week.
   */
  async restart(
    base: { readonly revision: number; readonly document: AnnotationDocument },
    addition: Addition | null,
    keep: boolean,
  ): Promise<void> {
    const batches = await this.list();
    const stores = ["batches", "bases", "discarded"] as const;
    const transaction = this.store.transaction(stores, "readwrite", { durability: "strict" });
    if (keep && batches.length > 0) {
      const put: Omit<Discarded, "seq"> = { ...this.owner, batches, at: addition?.now ?? Date.now() };
      await transaction.objectStore("discarded").add(put as Discarded);
    }
    for (const { seq } of batches) await transaction.objectStore("batches").delete(seq);
    await transaction.objectStore("bases").put({ ...this.owner, ...base });
    if (addition !== null && addition.operations.length > 0) {
      const batch: Omit<Batch, "seq"> = {
        ...this.owner,
        key: this.newKey(),
        operations: addition.operations,
        volume_sha256: addition.volumeSha256,
        client_times: { began_ms: addition.now, shown_ms: addition.shownMs ?? {} },
        created: addition.now,
        begun: false,
      };
      await transaction.objectStore("batches").add(batch as Batch);
    }
    await transaction.done;
  }

  discarded(): Promise<Discarded[]> {
    return this.store.getAllFromIndex("discarded", "owner", this.range);
  }

  /** Forget what was put aside more than a week ago, of any account. */
  async purge(now: number): Promise<void> {
    const transaction = this.store.transaction("discarded", "readwrite");
    const old = IDBKeyRange.upperBound(now - KEEP_DISCARDED_MS);
    let cursor = await transaction.store.index("at").openCursor(old);
    while (cursor !== null) {
      await cursor.delete();
      cursor = await cursor.continue();
    }
    await transaction.done;
  }

  /** All unsent work as text, for a file that a person saves when the server does not take it. */
  async exportJson(): Promise<string> {
    const [base, batches, discarded] = await Promise.all([this.base(), this.list(), this.discarded()]);
    return JSON.stringify(
      { version: 1, annotation: this.owner.annotation, base: base ?? null, batches, discarded },
      null,
      2,
    );
  }
}

function summed(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...one };
  for (const [slice, ms] of Object.entries(other)) sum[slice] = (sum[slice] ?? 0) + ms;
  return sum;
}
