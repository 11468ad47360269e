import { afterEach, describe, expect, test } from "vitest";
import { emptyDocument } from "../canvas/document";
import { applyAll, type Operation } from "../canvas/operations";
import type { SendAnswer } from "./answers";
import type { Choice } from "./conflict";
import { BATCH_OPERATIONS, Queue } from "./queue";
import { type Batch, openStore, type Store } from "./store";
import { Sync, type SyncOptions, type SyncSnapshot } from "./sync";

const SHAPE = [20, 40, 50] as const;
const OWNER = { account: "ada", annotation: "a1" };
let stores: Store[] = [];
let syncs: Sync[] = [];
let databases = 0;

afterEach(() => {
  for (const sync of syncs) sync.stop();
  for (const store of stores) store.close();
  syncs = [];
  stores = [];
});

async function open(name: string): Promise<Queue> {
  const store = await openStore(name);
  stores.push(store);
  return new Queue(store, OWNER);
}

function box(track: string, z: number, x = 5): Operation {
  return {
    op: "add_track",
    track,
    first: z,
    last: z,
    keyframes: { [z]: { box: [x, 5, x + 9, 15], source: "drawn" } },
  };
}

/** The server's rules for saves, as far as the queue sees them. */
class Server {
  log: { key: string; operations: readonly Operation[]; answer: SendAnswer }[] = [];
  seen: { key: string; revision: number; n: number }[] = [];
  /** What comes instead of an answer, in order; "lost" is accepted, and its answer never arrives. */
  trouble: (SendAnswer | "lost")[] = [];

  get revision(): number {
    return this.log.length;
  }
  get document() {
    return applyAll(
      emptyDocument(SHAPE),
      this.log.flatMap(({ operations }) => [...operations]),
    );
  }
  other(...operations: Operation[]): void {
    const answer: SendAnswer = { kind: "ok", revision: this.revision + 1, late: false, leaseUntil: null };
    this.log.push({ key: `other ${this.revision}`, operations, answer });
  }
  send = async (batch: Batch, revision: number): Promise<SendAnswer> => {
    this.seen.push({ key: batch.key, revision, n: batch.operations.length });
    const trouble = this.trouble.shift();
    if (trouble !== undefined && trouble !== "lost") return trouble;
    const before = this.log.find(({ key }) => key === batch.key);
    if (before !== undefined) return before.answer;
    if (revision !== this.revision) {
      const since = this.log.slice(revision).map(({ operations }, i) => {
        return { revision: revision + i + 1, operations, saved_at: "2026-11-24T12:00:00Z" };
      });
      return { kind: "stale", revision: this.revision, since };
    }
    const answer: SendAnswer = {
      kind: "ok",
      revision: this.revision + 1,
      late: false,
      leaseUntil: "2026-11-24T15:40:00Z",
    };
    this.log.push({ key: batch.key, operations: batch.operations, answer });
    if (trouble === "lost") throw new TypeError("network");
    return answer;
  };
}

function make(queue: Queue, server: Server, more: Partial<SyncOptions> = {}): Sync {
  const sync = new Sync({
    queue,
    volumeSha256: "v".repeat(64),
    send: server.send,
    fetchState: async () => ({ revision: server.revision, document: server.document }),
    gatherMs: 0,
    pausesMs: [1],
    ...more,
  });
  syncs.push(sync);
  return sync;
}

function until(sync: Sync, ready: (snapshot: SyncSnapshot) => boolean): Promise<SyncSnapshot> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!ready(sync.getSnapshot())) return;
      stop();
      resolve(sync.getSnapshot());
    };
    const stop = sync.subscribe(look);
    look();
  });
}

const settled = (s: SyncSnapshot): boolean => !["saving", "unsent", "offline"].includes(s.status);
const name = (): string => `test ${++databases}`;
const state = (server: Server) => ({ revision: server.revision, document: server.document });

describe("the queue", () => {
  test("merges what was not sent, and never changes a batch whose sending has begun", async () => {
    const queue = await open(name());
    const addition = { volumeSha256: "v", now: 1 };
    await queue.add({ ...addition, operations: [box("a", 1)], shownMs: { "1": 100 } });
    await queue.add({ ...addition, operations: [box("b", 2)], shownMs: { "1": 50, "2": 10 } });
    const first = await queue.beginFirst();
    expect(first?.operations).toHaveLength(2);
    expect(first?.client_times).toEqual({ began_ms: 1, shown_ms: { "1": 150, "2": 10 } });
    await queue.add({ ...addition, operations: [box("c", 3)] });
    const batches = await queue.list();
    expect(batches.map((batch) => batch.operations.length)).toEqual([2, 1]);
    expect((await queue.beginFirst())?.key).toBe(first?.key);
  });

  test("splits long work into batches in order", async () => {
    const queue = await open(name());
    const operations = Array.from({ length: BATCH_OPERATIONS + 5 }, (_, i) => box(`t${i}`, 1));
    await queue.add({ operations, volumeSha256: "v", now: 1 });
    const batches = await queue.list();
    expect(batches.map((batch) => batch.operations.length)).toEqual([BATCH_OPERATIONS, 5]);
    expect(batches.flatMap((batch) => [...batch.operations])).toEqual(operations);
  });

  test("belongs to one account and one annotation", async () => {
    const database = name();
    const queue = await open(database);
    await queue.add({ operations: [box("a", 1)], volumeSha256: "v", now: 1 });
    const store = await openStore(database);
    stores.push(store);
    expect(await new Queue(store, { account: "bob", annotation: "a1" }).list()).toEqual([]);
    expect(await new Queue(store, { account: "ada", annotation: "a2" }).list()).toEqual([]);
  });

  test("forgets what was put aside after a week", async () => {
    const queue = await open(name());
    const base = { revision: 0, document: emptyDocument(SHAPE) };
    await queue.add({ operations: [box("a", 1)], volumeSha256: "v", now: 1 });
    await queue.restart(base, { operations: [], volumeSha256: "v", now: 1_000 }, true);
    expect(await queue.discarded()).toHaveLength(1);
    await queue.purge(1_000 + 6 * 24 * 3_600_000);
    expect(await queue.discarded()).toHaveLength(1);
    await queue.purge(1_001 + 7 * 24 * 3_600_000);
    expect(await queue.discarded()).toHaveLength(0);
  });
});

describe("sending", () => {
  test("keeps the order and counts revisions", async () => {
    const server = new Server();
    const sync = make(await open(name()), server);
    await sync.start(state(server));
    await sync.add([box("a", 1)]);
    await until(sync, settled);
    await sync.add([box("b", 2)]);
    const after = await until(sync, (s) => settled(s) && s.revision === 2);
    expect(after).toMatchObject({ status: "saved", unsent: 0, leaseUntil: "2026-11-24T15:40:00Z" });
    expect(server.log.map(({ operations }) => operations[0])).toEqual([box("a", 1), box("b", 2)]);
  });

  test("a lost answer is asked for again with the same key, and is applied once", async () => {
    const server = new Server();
    server.trouble = ["lost", { kind: "later", afterMs: 1 }];
    const sync = make(await open(name()), server);
    await sync.start(state(server));
    await sync.add([box("a", 1)]);
    await until(sync, (s) => s.status === "saved");
    expect(new Set(server.seen.map(({ key }) => key)).size).toBe(1);
    expect(server.seen).toHaveLength(3);
    expect(server.document.tracks).toHaveLength(1);
  });

  test("a reload keeps the queue, also when the answer to its first batch was lost", async () => {
    const server = new Server();
    const database = name();
    server.trouble = ["lost"];
    const first = make(await open(database), server, { pausesMs: [60_000] });
    await first.start(state(server));
    await first.add([box("a", 1)]);
    await until(first, (s) => s.status === "offline");
    await first.add([box("b", 2)]);
    first.stop();

    const second = make(await open(database), server);
    const shown = await second.start(state(server));
    expect(shown.tracks.map((track) => track.id)).toEqual(["a", "b"]);
    await until(second, (s) => s.status === "saved");
    expect(server.document).toEqual(shown);
    expect(second.getSnapshot().revision).toBe(2);
  });

  test("work goes on without the server after a reload", async () => {
    const server = new Server();
    const database = name();
    const first = make(await open(database), server);
    await first.start(state(server));
    await first.add([box("a", 1)]);
    await until(first, (s) => s.status === "saved");
    first.stop();
    const second = make(await open(database), server);
    expect((await second.start(null)).tracks).toHaveLength(1);
  });

  test("an expired sign-in keeps everything and goes on afterwards", async () => {
    const server = new Server();
    server.trouble = [{ kind: "signed-out" }];
    const sync = make(await open(name()), server);
    await sync.start(state(server));
    await sync.add([box("a", 1)]);
    await until(sync, (s) => s.status === "signed-out");
    await sync.add([box("b", 2)]);
    expect(sync.getSnapshot()).toMatchObject({ status: "signed-out", unsent: 2 });
    sync.resume();
    await until(sync, (s) => s.status === "saved");
    expect(server.document.tracks).toHaveLength(2);
  });

  test.each(["closed", "refused"] as const)(
    "%s keeps the queue, which can be saved as a file",
    async (kind) => {
      const server = new Server();
      const problem = { status: 409, code: "volume_mismatch", detail: "Other slices.", hint: "" };
      server.trouble = [{ kind, problem }];
      const queue = await open(name());
      const sync = make(queue, server);
      await sync.start(state(server));
      await sync.add([box("a", 1)]);
      const after = await until(sync, (s) => s.status === kind);
      expect(after.problem).toEqual(problem);
      expect(await sync.flush()).toBe(false);
      const kept = JSON.parse(await queue.exportJson()) as { batches: { operations: unknown }[] };
      expect(kept.batches[0]?.operations).toEqual([JSON.parse(JSON.stringify(box("a", 1)))]);
    },
  );

  test("a batch that the disk refuses stays in memory and is counted as unsent", async () => {
    const server = new Server();
    const queue = await open(name());
    const sync = make(queue, server);
    await sync.start(state(server));
    const add = queue.add.bind(queue);
    queue.add = () => Promise.reject(new Error("quota"));
    await sync.add([box("a", 1)]);
    expect(sync.getSnapshot()).toMatchObject({ storageFailed: true, unsent: 1 });
    queue.add = add;
    await sync.add([box("b", 2)]);
    await until(sync, (s) => s.status === "saved");
    expect(sync.getSnapshot().storageFailed).toBe(false);
    expect(server.document.tracks.map((track) => track.id)).toEqual(["a", "b"]);
  });
});

describe("a conflict", () => {
  async function conflicting(choice: Choice) {
    const server = new Server();
    const queue = await open(name());
    let n = 0;
    const sync = make(queue, server, { newId: () => `fresh${++n}` });
    server.other(box("both", 9));
    await sync.start(state(server));
    server.other(box("theirs", 3));
    await sync.add([box("mine", 4, 20)]);
    const { conflict } = await until(sync, (s) => s.status === "conflict");
    expect(conflict?.theirs.tracks.map((track) => track.id)).toEqual(["both", "theirs"]);
    expect(conflict?.mine.tracks.map((track) => track.id)).toEqual(["both", "mine"]);
    // Drawing goes on while the question stands.
    await sync.add([box("later", 6, 20)]);
    const shown = await sync.resolve(choice);
    await until(sync, (s) => s.status === "saved");
    expect(server.document).toEqual(shown);
    return { shown: shown.tracks.map((track) => track.id), queue };
  }

  test("keeps mine", async () => {
    expect((await conflicting("mine")).shown).toEqual(["both", "mine", "later"]);
  });
  test("takes theirs, and puts mine aside", async () => {
    const { shown, queue } = await conflicting("theirs");
    expect(shown).toEqual(["both", "theirs"]);
    const aside = await queue.discarded();
    expect(aside[0]?.batches.flatMap((batch) => batch.operations)).toHaveLength(2);
  });
  test("keeps both, without doubling what both have", async () => {
    expect((await conflicting("both")).shown).toEqual(["both", "theirs", "fresh1", "fresh2"]);
  });
});
