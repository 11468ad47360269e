/**
 * Sends the queue, one batch at a time and in order. A batch is on disk before it is sent, keeps its key at every attempt,
 * and leaves the queue only when the server has accepted it or a person has decided against it.
 */
import type { AnnotationDocument } from "../canvas/document";
import { randomTrackId } from "../canvas/editor";
import { applyAll, type Operation, readOperations } from "../canvas/operations";
import type { SendAnswer, Since, SyncProblem } from "./answers";
import { type Choice, type Conflict, resolution } from "./conflict";
import type { Addition, Queue } from "./queue";
import type { Batch } from "./store";

export type SyncStatus =
  | "saved"
  | "saving"
  | "unsent"
  | "offline"
  | "conflict"
  | "signed-out"
  | "closed"
  | "refused";

export interface SyncSnapshot {
  readonly status: SyncStatus;
  /** Operations that the server has not accepted. */
  readonly unsent: number;
  /** The last save came after the reservation had ended; it is kept, and fills no place. */
  readonly late: boolean;
  readonly revision: number;
  /** ISO 8601, or null while unknown. */
  readonly leaseUntil: string | null;
  readonly problem: SyncProblem | null;
  readonly conflict: Conflict | null;
  /** This browser could not put a change on its disk: the page must stay open until it is sent. */
  readonly storageFailed: boolean;
}

export interface ServerState {
  readonly revision: number;
  readonly document: AnnotationDocument;
}

export interface SyncOptions {
  readonly queue: Queue;
  readonly volumeSha256: string;
  /** One attempt. Whatever goes wrong on the way is an answer; it should not reject. */
  readonly send: (batch: Batch, revision: number) => Promise<SendAnswer>;
  /** The server's present state, when a conflict cannot be worked out from the batches since. */
  readonly fetchState: () => Promise<ServerState>;
  /** Milliseconds each slice was shown since the last call: `ViewingClock.takeShown`. */
  readonly takeShown?: () => Record<string, number>;
  /** Told of every accepted batch, for other tabs and for the lease on the screen. */
  readonly onSaved?: (revision: number) => void;
  /** Wait for more operations before the first attempt, milliseconds. */
  readonly gatherMs?: number;
  readonly pausesMs?: readonly number[];
  readonly now?: () => number;
  readonly newId?: () => string;
}

const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const REWRITE_MS = 2_000;
/** In these states nothing is sent until a person did something. */
const STUCK: readonly SyncStatus[] = ["conflict", "signed-out", "closed", "refused"];

export class Sync {
  private readonly listeners = new Set<() => void>();
  private readonly now: () => number;
  private snapshot: SyncSnapshot = {
    status: "saved",
    unsent: 0,
    late: false,
    revision: 0,
    leaseUntil: null,
    problem: null,
    conflict: null,
    storageFailed: false,
  };
  /** Accepted by the server, at `snapshot.revision`. */
  private base: AnnotationDocument | null = null;
  /** Writes to the disk, one after the other. */
  private writing: Promise<void> = Promise.resolve();
  private readonly unwritten: Addition[] = [];
  private rewrite: ReturnType<typeof setTimeout> | null = null;
  private sending: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;
  private stopped = false;

  constructor(private readonly options: SyncOptions) {
    this.now = options.now ?? Date.now;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly getSnapshot = (): SyncSnapshot => this.snapshot;

  /**
   * Begin with what the server has (null when it cannot be reached) and what is still in the queue. Returns the document to
   * show. Unsent work stands on the base it was made on, even where the server is further: whether the server already has
   * it, or somebody else saved, is told by the answer to the first batch.
   */
  async start(server: ServerState | null): Promise<AnnotationDocument> {
    const { queue } = this.options;
    const [batches, kept] = await Promise.all([queue.list(), queue.base()]);
    const base = batches.length > 0 && kept !== undefined ? kept : (server ?? kept);
    if (base === undefined)
      throw new Error("This work is not on this device, and the server cannot be reached.");
    if (batches.length === 0) await queue.setBase(base.revision, base.document);
    void queue.purge(this.now()).catch(() => undefined);
    this.base = base.document;
    const unsent = batches.reduce((sum, batch) => sum + batch.operations.length, 0);
    this.set({ revision: base.revision, unsent, status: unsent > 0 ? "unsent" : "saved" });
    if (typeof window !== "undefined") {
      window.addEventListener("online", this.retryNow);
      document.addEventListener("visibilitychange", this.onVisible);
    }
    if (unsent > 0) this.schedule(0);
    return batches.reduce((folded, batch) => applyAll(folded, batch.operations), base.document);
  }

  /** Keep operations; resolves when they are on the disk. They are sent soon after. */
  add(operations: readonly Operation[]): Promise<void> {
    if (operations.length === 0) return Promise.resolve();
    const addition = {
      operations,
      volumeSha256: this.options.volumeSha256,
      shownMs: this.options.takeShown?.() ?? {},
      now: this.now(),
    };
    const status = STUCK.includes(this.snapshot.status) || this.snapshot.status === "offline";
    this.set({ unsent: this.snapshot.unsent + operations.length, ...(status ? {} : { status: "unsent" }) });
    this.unwritten.push(addition);
    this.write();
    return this.writing.then(() => {
      if (this.timer === null && this.sending === null) this.schedule(this.options.gatherMs ?? 400);
    });
  }

  /** Put what is in memory onto the disk, in order; what could not be written stays in memory and is tried again. */
  private write(): void {
    this.writing = this.writing.then(async () => {
      try {
        for (let next = this.unwritten[0]; next !== undefined; next = this.unwritten[0]) {
          await this.options.queue.add(next);
          this.unwritten.shift();
        }
        if (this.snapshot.storageFailed) this.set({ storageFailed: false });
      } catch {
        this.set({ storageFailed: true });
        if (this.rewrite !== null) clearTimeout(this.rewrite);
        this.rewrite = setTimeout(() => {
          this.write();
          void this.writing.then(this.retryNow);
        }, REWRITE_MS);
      }
    });
  }

  /** Send at once: after "online", before handing in, by the person's wish. */
  readonly retryNow = (): void => {
    this.failures = 0;
    if (this.sending === null) this.schedule(0);
  };

  /** After the person has signed in again. */
  resume(): void {
    if (this.snapshot.status === "signed-out") this.set({ status: "unsent" });
    this.retryNow();
  }

  /** Send all there is; true when nothing is left, false when something stands in the way. */
  async flush(): Promise<boolean> {
    await this.writing;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    await this.sending;
    await this.run();
    return this.snapshot.unsent === 0;
  }

  /** Decide a conflict. Returns the document to show from now on. */
  async resolve(choice: Choice): Promise<AnnotationDocument> {
    const { conflict } = this.snapshot;
    if (conflict === null) throw new Error("There is no conflict to decide.");
    await this.writing;
    const { queue, volumeSha256, newId } = this.options;
    // What was done since the conflict came up is mine, too.
    const batches = await queue.list();
    const base = this.base ?? conflict.theirs;
    const mine = batches.reduce((folded, batch) => applyAll(folded, batch.operations), base);
    const operations = resolution({ ...conflict, mine }, choice, newId ?? randomTrackId);
    const state = { revision: conflict.revision, document: conflict.theirs };
    await queue.restart(state, { operations, volumeSha256, now: this.now() }, choice === "theirs");
    this.base = conflict.theirs;
    const unsent = operations.length;
    const status = unsent > 0 ? "unsent" : "saved";
    this.set({ status, unsent, revision: conflict.revision, conflict: null, problem: null });
    this.retryNow();
    return applyAll(conflict.theirs, operations);
  }

  /** End: the page goes away. The queue stays. */
  stop(): void {
    this.stopped = true;
    if (this.rewrite !== null) clearTimeout(this.rewrite);
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (typeof window !== "undefined") {
      window.removeEventListener("online", this.retryNow);
      document.removeEventListener("visibilitychange", this.onVisible);
    }
  }

  private readonly onVisible = (): void => {
    // Phones stop pages that are not seen: use the last moment, and the first one.
    if (this.snapshot.unsent > 0) this.retryNow();
  };

  private schedule(ms: number): void {
    if (this.stopped) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.run();
    }, ms);
  }

  private run(): Promise<void> {
    this.sending ??= this.sendAll()
      // The disk failed between sending and noting it: the same key will get the same answer.
      .catch(() => void this.later(null))
      .finally(() => {
        this.sending = null;
      });
    return this.sending;
  }

  private async sendAll(): Promise<void> {
    while (!this.stopped && !STUCK.includes(this.snapshot.status)) {
      await this.writing;
      const batch = await this.options.queue.beginFirst();
      if (batch === null) {
        // What could not be written to the disk is still unsent.
        const unsent = this.unwritten.reduce((sum, one) => sum + one.operations.length, 0);
        this.set({ unsent, status: unsent > 0 ? "unsent" : "saved" });
        return;
      }
      this.set({ status: "saving" });
      const answer = await this.options
        .send(batch, this.snapshot.revision)
        .catch((): SendAnswer => ({ kind: "later", afterMs: null }));
      if (this.stopped && answer.kind !== "ok") return;
      if (!(await this.take(batch, answer))) return;
    }
  }

  /** Take an answer in; whether to go on with the next batch. */
  private async take(batch: Batch, answer: SendAnswer): Promise<boolean> {
    switch (answer.kind) {
      case "ok": {
        this.failures = 0;
        const base = applyAll(this.base as AnnotationDocument, batch.operations);
        await this.options.queue.accepted(batch, answer.revision, base);
        this.base = base;
        const unsent = Math.max(0, this.snapshot.unsent - batch.operations.length);
        const { revision, late, leaseUntil } = answer;
        this.set({ revision, late, leaseUntil, unsent, problem: null });
        this.options.onSaved?.(revision);
        return true;
      }
      case "stale":
        return this.onStale(answer.revision, answer.since);
      case "signed-out":
        this.set({ status: "signed-out" });
        return false;
      case "closed":
      case "refused":
        this.set({ status: answer.kind, problem: answer.problem });
        return false;
      case "later":
        return this.later(answer.afterMs);
    }
  }

  private later(afterMs: number | null): false {
    const pauses = this.options.pausesMs ?? PAUSES_MS;
    const pause = pauses[Math.min(this.failures, pauses.length - 1)] ?? 30_000;
    this.failures++;
    this.set({ status: "offline" });
    this.schedule(afterMs ?? pause);
    return false;
  }

  private async onStale(revision: number, since: readonly Since[]): Promise<boolean> {
    const base = this.base as AnnotationDocument;
    const batches = await this.options.queue.list();
    const mine = batches.reduce((folded, one) => applyAll(folded, one.operations), base);
    let state: ServerState;
    try {
      const document = since.reduce((folded, one) => applyAll(folded, readOperations(one.operations)), base);
      if (since.length !== revision - this.snapshot.revision) throw new Error("Some batches are missing.");
      state = { revision, document };
    } catch {
      try {
        state = await this.options.fetchState();
      } catch {
        return this.later(null);
      }
    }
    this.set({ status: "conflict", conflict: { revision: state.revision, theirs: state.document, mine } });
    return false;
  }

  private set(change: Partial<SyncSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}
