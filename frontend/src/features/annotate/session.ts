/**
 * One task while its screen is open, free of any framework: the document, the queue, the slices, the clock, the tabs. All
 * parts are made here and ended here.
 */
import { saveBatch } from "@/api/save";
import { type AnnotationDocument, boxesOn } from "@/canvas/document";
import { Editor } from "@/canvas/editor";
import type { SliceSize } from "@/canvas/geometry";
import { createInflater } from "@/canvas/inflate";
import { CACHE_BYTES, CACHE_BYTES_PHONE, SliceCache } from "@/canvas/slices";
import { ViewingClock } from "@/canvas/viewing";
import { defaultWindow, type Window } from "@/canvas/window";
import type { Choice } from "@/offline/conflict";
import { Queue } from "@/offline/queue";
import { openStore } from "@/offline/store";
import { Sync } from "@/offline/sync";
import { type TabRole, TabSession } from "@/offline/tabs";
import { HandOver } from "./hand-over";
import { claimNext, reopenWork, type Submitted, submitWork } from "./handing-in";
import type { PreviewMask } from "./live-preview";
import { Look } from "./look";
import type { MaskSnapshot } from "./mask";
import { type NamedWindow, presetsOf } from "./presets";
import { Store } from "./store";
import {
  clampFor,
  fetchState,
  keepTask,
  type Loaded,
  loadTask,
  sliceFetcher,
  type Task,
  type WorkState,
} from "./task-files";

/** The parts that a screen works with, once the task is loaded. */
export interface Work {
  readonly task: Task;
  readonly size: SliceSize;
  readonly editor: Editor;
  readonly look: Look;
  readonly presets: readonly NamedWindow[];
}

export interface SessionSnapshot {
  readonly phase: "loading" | "ready" | "failed";
  readonly error: unknown;
  readonly work: Work | null;
  /** Null while another tab works on this task. */
  readonly sync: Sync | null;
  readonly slices: SliceCache | null;
  /** Counts the slices that came in or failed, so that the screen looks again. */
  readonly arrivals: number;
  readonly state: WorkState;
  readonly role: TabRole;
  readonly mask: MaskSnapshot;
  /** What the boxes of a slice would give, while somebody draws. */
  readonly preview: PreviewMask | null;
}

const NO_MASK: MaskSnapshot = { state: "none", progress: 0, bits: null };
const TICK_MS = 100;
/** What is not sent by then is on the disk, and the other tab sends it. */
const HAND_OVER_MS = 3_000;

export class Session extends Store<SessionSnapshot> {
  private readonly ending = new AbortController();
  readonly inflater = createInflater();
  private readonly clock: ViewingClock;
  private tabs: TabSession | null = null;
  private handOver: HandOver | null = null;
  private queue: Queue | null = null;
  private loaded: Loaded | null = null;
  private clamp: Window | null = null;
  private following: AbortController | null = null;
  private ticking: ReturnType<typeof setInterval> | null = null;
  /** The slice whose picture is on the screen now. */
  private painted: number | null = null;
  /** A dialog lies over the picture, or the page is hidden. */
  private isAway = false;

  constructor(private readonly assignmentId: string) {
    super({
      phase: "loading",
      error: null,
      work: null,
      sync: null,
      slices: null,
      arrivals: 0,
      state: "open",
      role: "waiting",
      mask: NO_MASK,
      preview: null,
    });
    this.clock = new ViewingClock((operations) => this.getSnapshot().work?.editor.confirm(operations));
  }

  async start(): Promise<void> {
    try {
      const [loaded, store] = await Promise.all([
        loadTask(this.assignmentId, this.ending.signal),
        openStore(),
      ]);
      if (this.ending.signal.aborted) return;
      this.loaded = loaded;
      const { task } = loaded;
      this.queue = new Queue(store, { account: task.account, annotation: task.annotationId });
      this.handOver = new HandOver(task.annotationId, () => void this.giveWay());
      this.joinTabs(task);
    } catch (error) {
      if (!this.ending.signal.aborted) this.set({ phase: "failed", error });
    }
  }

  close(): void {
    this.ending.abort();
    this.following?.abort();
    if (this.ticking !== null) clearInterval(this.ticking);
    document.removeEventListener("visibilitychange", this.onVisibility);
    const { sync, slices } = this.getSnapshot();
    sync?.stop();
    slices?.close();
    this.inflater.close();
    this.tabs?.close();
    this.handOver?.close();
  }

  /** What the slice cache knows has changed. */
  readonly lookAgain = (): void => this.set({ arrivals: this.getSnapshot().arrivals + 1 });

  /** The picture of slice `z` is on the screen, with its boxes; null: no picture is. */
  readonly onPainted = (z: number | null): void => {
    this.painted = z;
    this.watch();
  };

  /** Slices are fetched for one window; a window that reaches beyond fetches them whole. */
  setWindow(window: Window): void {
    const { work } = this.getSnapshot();
    if (work === null) return;
    work.look.setWindow(window);
    if (this.clamp !== null && (window.low < this.clamp.low || window.high > this.clamp.high)) {
      this.clamp = null;
      this.openSlices(work.task, work.size);
      this.getSnapshot().slices?.goTo(work.editor.getSnapshot().z);
    }
  }

  async resolve(choice: Choice): Promise<void> {
    const { sync, work } = this.getSnapshot();
    if (sync !== null && work !== null) work.editor.load(await sync.resolve(choice));
  }

  async submit(): Promise<Submitted> {
    const { sync, work } = this.getSnapshot();
    if (sync === null || work === null) return { kind: "unsent" };
    const became = await submitWork(work.task.annotationId, work.editor.getSnapshot().document, sync);
    if (became.kind === "done") this.setState(became.state);
    return became;
  }

  async reopen(): Promise<void> {
    const { work } = this.getSnapshot();
    if (work !== null) this.setState(await reopenWork(work.task.annotationId));
  }

  /** The next task of this project; null when there is none now. */
  async claimNext(): Promise<string | null> {
    const { work } = this.getSnapshot();
    return work === null ? null : claimNext(work.task.assignment.project_id);
  }

  /** Work here: the tab that works now saves, and then only looks. */
  workHere(): void {
    if (this.getSnapshot().role === "follower") this.handOver?.ask();
  }

  /** All unsent work, as a file's text. */
  exportJson(): Promise<string> {
    return this.queue?.exportJson() ?? Promise.resolve("{}");
  }

  private joinTabs(task: Task): void {
    this.tabs = new TabSession({
      annotation: task.annotationId,
      onRole: (role) => void this.onRole(role),
      onSaved: () => void this.reread(),
    });
  }

  /** Another tab wants to work. Nothing may be left that only this tab's memory holds. */
  private async giveWay(): Promise<void> {
    const { role, sync, work } = this.getSnapshot();
    if (role !== "leader" || sync === null || work === null) return;
    const { readOnly } = work.editor.getSnapshot();
    work.editor.setReadOnly(true);
    await Promise.race([sync.flush(), new Promise((resolve) => setTimeout(resolve, HAND_OVER_MS))]);
    if (this.ending.signal.aborted || this.getSnapshot().sync !== sync) return;
    if (sync.getSnapshot().storageFailed) return work.editor.setReadOnly(readOnly);
    sync.stop();
    this.set({ sync: null });
    this.tabs?.close();
    this.joinTabs(work.task);
  }

  private async onRole(role: TabRole): Promise<void> {
    if (role === "waiting" || this.ending.signal.aborted || this.loaded === null) return;
    const wasFollower = this.getSnapshot().role === "follower";
    this.set({ role });
    try {
      if (role === "follower") return this.follow(this.loaded);
      await this.lead(wasFollower ? await loadTask(this.assignmentId, this.ending.signal) : this.loaded);
    } catch (error) {
      if (!this.ending.signal.aborted) this.set({ phase: "failed", error });
    }
  }

  /** This tab works: it alone sends the queue. */
  private async lead({ task, server }: Loaded): Promise<void> {
    if (this.queue === null) return;
    const sync = new Sync({
      queue: this.queue,
      volumeSha256: task.volume.pack.sha256,
      send: saveBatch,
      fetchState: () => fetchState(task.annotationId),
      takeShown: () => this.clock.takeShown(),
      onSaved: (revision) => this.tabs?.tellSaved(revision),
    });
    const shown = await sync.start(server);
    if (this.ending.signal.aborted) return sync.stop();
    this.set({ sync });
    const { work } = this.getSnapshot();
    if (work === null) this.open(task, shown);
    else work.editor.load(shown);
    this.setState(task.state);
  }

  /** Another tab works: this one shows what the server has. */
  private follow({ task, server }: Loaded): void {
    if (this.getSnapshot().work !== null) return this.setState(this.getSnapshot().state);
    if (server === null) throw new Error("Another tab works on this task, and the server cannot be reached.");
    this.open(task, server.document);
    this.setState(task.state);
  }

  private async reread(): Promise<void> {
    const { role, work } = this.getSnapshot();
    if (role !== "follower" || work === null) return;
    const answer = await fetchState(work.task.annotationId).catch(() => null);
    if (answer !== null) work.editor.load(answer.document);
  }

  private open(task: Task, shown: AnnotationDocument): void {
    const { pack, shape, spacing, window: chosen } = task.volume;
    const size = { columns: shape[2], rows: shape[1] };
    const isCt = task.volume.modality === "ct";
    const own =
      chosen ??
      defaultWindow({
        finiteMinimum: pack.finite_minimum,
        percentileLow: pack.percentile_low,
        percentileHigh: pack.percentile_high,
      });
    const look = new Look({
      key: `crowdmask look ${task.assignment.id}`,
      size,
      spacing: { x: spacing[0], y: spacing[1] },
      window: own,
      values: { scale: pack.scale, offset: pack.offset },
      air: isCt ? -500 : pack.percentile_low + (pack.percentile_high - pack.percentile_low) * 0.1,
    });
    const z = look.slice;
    const editor = new Editor({
      document: shown,
      ...(z === undefined ? {} : { z: Math.min(Math.max(z, 0), shape[0] - 1) }),
      onOperations: (operations) => void this.getSnapshot().sync?.add(operations),
    });
    this.clamp = clampFor(own);
    const { window } = look.getSnapshot();
    if (window.low < this.clamp.low || window.high > this.clamp.high) this.clamp = null;
    this.openSlices(task, size);
    editor.subscribe(() => {
      look.rememberSlice(editor.getSnapshot().z);
      this.watch();
    });
    this.ticking = setInterval(this.tick, TICK_MS);
    document.addEventListener("visibilitychange", this.onVisibility);
    this.set({ phase: "ready", work: { task, size, editor, look, presets: presetsOf(own, isCt) } });
  }

  private openSlices(task: Task, size: SliceSize): void {
    this.getSnapshot().slices?.close();
    const slices = new SliceCache({
      slices: task.volume.shape[0],
      size,
      fetchSlice: sliceFetcher(task.volume, this.clamp),
      maxBytes: matchMedia("(max-width: 700px)").matches ? CACHE_BYTES_PHONE : CACHE_BYTES,
      inflate: this.inflater.inflate,
      onReady: this.lookAgain,
      onError: this.lookAgain,
    });
    this.set({ slices });
  }

  private setState(state: WorkState): void {
    const { work, role, slices } = this.getSnapshot();
    if (work === null || slices === null) return;
    const isOpen = state === "open" || state === "returned";
    work.editor.setReadOnly(!isOpen || role !== "leader");
    keepTask({ ...work.task, state });
    this.following?.abort();
    this.set({ state, mask: NO_MASK });
    if (isOpen) return;
    this.following = new AbortController();
    const { signal } = this.following;
    void import("./mask").then(({ followMask }) =>
      followMask(work.task.annotationId, work.size, this.inflater.inflate, signal, (mask) =>
        this.set({ mask }),
      ),
    );
  }

  // -- looking confirms --

  private watch(): void {
    const { work } = this.getSnapshot();
    const now = performance.now();
    const editor = work?.editor.getSnapshot();
    if (editor === undefined || document.hidden || this.painted !== editor.z || isCovered()) {
      return this.clock.hide(now);
    }
    this.clock.show(editor.z, boxesOn(editor.document, editor.z), now);
  }

  private readonly tick = (): void => {
    const isAway = document.hidden || isCovered();
    if (isAway !== this.isAway) {
      this.isAway = isAway;
      this.watch();
    } else this.clock.tick(performance.now());
  };

  private readonly onVisibility = (): void => this.watch();
}

/** A dialog lies over the picture: nobody looks at it. */
function isCovered(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
