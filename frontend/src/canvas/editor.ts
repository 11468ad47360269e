/**
 * The state of a workspace, free of any framework: document, history, slice, selection, tool. Every command makes
 * operations, applies them at once, and hands them to `onOperations`, which puts them into the queue.
 * For React: `useSyncExternalStore(editor.subscribe, editor.getSnapshot)`.
 */
import {
  type AnnotationDocument,
  type BoxOnSlice,
  boxesOn,
  type SliceState,
  sliceSize,
  sliceStates,
} from "./document";
import { type Box, type Handle, moveBox, resizeBox, sameBox, snapped } from "./geometry";
import { History, type Travel } from "./history";
import { applyAll, type Operation } from "./operations";
import { removal, trackFor } from "./placing";
import { nextToCheck } from "./timeline";
import { type BoxSource, boxAt, covers, type Track } from "./tracks";

export type Tool = "drag" | "corners";

export interface EditorSnapshot {
  readonly document: AnnotationDocument;
  readonly states: readonly SliceState[];
  /** The slice on the screen. */
  readonly z: number;
  /** Track of the selected box; null also when that track is not on this slice any more. */
  readonly selected: string | null;
  readonly tool: Tool;
  /** The next box starts a new piece, whatever is near. */
  readonly newPiece: boolean;
  /** What is being drawn or changed and not yet kept. */
  readonly draft: { readonly trackId: string | null; readonly box: Box } | null;
  /** The ends of the organ, as far as they were said. */
  readonly ends: { readonly first: number | null; readonly last: number | null };
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Nobody may change anything: another tab writes, or the work is handed in. */
  readonly readOnly: boolean;
}

export interface EditorOptions {
  readonly document: AnnotationDocument;
  readonly z?: number;
  readonly onOperations: (operations: readonly Operation[], document: AnnotationDocument) => void;
  /** Names for new tracks; random by default. */
  readonly newId?: () => string;
}

/** A name for a new track: letters and digits, unlikely to be made twice. */
export function randomTrackId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `t${Array.from(bytes, (byte) => (byte % 36).toString(36)).join("")}`;
}

export class Editor {
  private readonly history = new History();
  private readonly listeners = new Set<() => void>();
  private readonly newId: () => string;
  private snapshot: EditorSnapshot;

  constructor(private readonly options: EditorOptions) {
    this.newId = options.newId ?? randomTrackId;
    const { document } = options;
    const z = options.z ?? Math.floor(document.shape[0] / 2);
    const fixed = { selected: null, tool: "drag", newPiece: false, draft: null, readOnly: false } as const;
    const steps = { canUndo: false, canRedo: false };
    this.snapshot = {
      document,
      states: sliceStates(document),
      z,
      ends: endsOf(document),
      ...fixed,
      ...steps,
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly getSnapshot = (): EditorSnapshot => this.snapshot;

  /** The boxes of the slice on the screen. */
  boxes(): BoxOnSlice[] {
    return boxesOn(this.snapshot.document, this.snapshot.z);
  }

  // -- looking --

  goTo(z: number): void {
    const n = this.snapshot.document.shape[0];
    const at = Math.min(Math.max(Math.round(z), 0), n - 1);
    if (at !== this.snapshot.z) this.set({ z: at, draft: null });
  }
  step(slices: number): void {
    this.goTo(this.snapshot.z + slices);
  }
  /** Go to the next slice that is to do or suggested. False when there is none. */
  goToNextToCheck(direction: 1 | -1 = 1): boolean {
    const next = nextToCheck(this.snapshot.states, this.snapshot.z, direction);
    if (next !== null) this.goTo(next);
    return next !== null;
  }
  select(trackId: string | null): void {
    if (trackId !== this.snapshot.selected) this.set({ selected: trackId });
  }
  /** Select the next box of this slice, for the keyboard. */
  selectNext(): void {
    const ids = this.boxes().map((box) => box.trackId);
    const at = ids.indexOf(this.snapshot.selected ?? "");
    this.select(ids[(at + 1) % ids.length] ?? null);
  }
  setTool(tool: Tool): void {
    this.set({ tool, draft: null });
  }
  setNewPiece(newPiece: boolean): void {
    this.set({ newPiece });
  }
  setDraft(draft: EditorSnapshot["draft"]): void {
    if (draft !== this.snapshot.draft) this.set({ draft });
  }
  setReadOnly(readOnly: boolean): void {
    this.set({ readOnly, draft: null });
  }

  // -- boxes --

  /**
   * Keep a drawn box (it is put on whole voxels) on slice `z`. It corrects or continues the selected or nearest piece, and
   * the slices between fill themselves; where none is near, or a new piece is wanted, it starts one. Returns the track.
   */
  drawBox(z: number, box: Box, options: { newPiece?: boolean; source?: BoxSource } = {}): string {
    const { document, selected } = this.snapshot;
    const source = options.source ?? "drawn";
    const whole = snapped(box, sliceSize(document));
    const isNew = options.newPiece ?? this.snapshot.newPiece;
    const track = isNew ? null : trackFor(document, z, whole, selected);
    const id = track?.id ?? this.newId();
    const operation: Operation =
      track === null
        ? { op: "add_track", track: id, first: z, last: z, keyframes: { [z]: { box: whole, source } } }
        : { op: "set_keyframe", track: id, slice: z, box: whole, source };
    this.perform([operation], { selected: id, newPiece: false, draft: null });
    return id;
  }

  /** Give a track's box on slice `z` other edges. Nothing happens when they are the same. */
  editBox(trackId: string, z: number, box: Box, key: string | null = null): void {
    const { document } = this.snapshot;
    const track = this.track(trackId);
    const whole = snapped(box, sliceSize(document));
    if (track === null || !covers(track, z) || sameBox(boxAt(track, z), whole))
      return this.set({ draft: null });
    const operation: Operation = {
      op: "set_keyframe",
      track: trackId,
      slice: z,
      box: whole,
      source: "edited",
    };
    this.perform([operation], { selected: trackId, draft: null }, key);
  }

  /** Move the selected box by whole voxels; repeated presses are one step of undo. */
  nudge(dx: number, dy: number): void {
    const { box, id, z, size } = this.selectedBox() ?? {};
    if (box && id !== undefined && z !== undefined && size) {
      this.editBox(id, z, moveBox(box, dx, dy, size), `move ${id} ${z}`);
    }
  }

  /** Move edges of the selected box by whole voxels. */
  resize(handle: Handle, dx: number, dy: number): void {
    const { box, id, z, size } = this.selectedBox() ?? {};
    if (box && id !== undefined && z !== undefined && size) {
      this.editBox(id, z, resizeBox(box, handle, dx, dy, size), `resize ${id} ${z}`);
    }
  }

  /** Take a box off this slice: `canvas/placing` says what becomes of its piece. */
  deleteBox(trackId: string, z: number): void {
    const track = this.track(trackId);
    if (track !== null && covers(track, z)) this.perform(removal(track, z, this.newId), { draft: null });
  }

  deletePiece(trackId: string): void {
    if (this.track(trackId) !== null)
      this.perform([{ op: "delete_track", track: trackId }], { selected: null });
  }

  /** Copy the boxes (or the selected one) of the slice before (-1) or after (1) onto this one. False when there are none. */
  copyBox(from: 1 | -1 = -1): boolean {
    const { document, z, selected } = this.snapshot;
    const size = sliceSize(document);
    const all = boxesOn(document, z + from);
    const chosen = all.filter((box) => box.trackId === selected);
    const operations = (chosen.length > 0 ? chosen : all).map(({ trackId, box }): Operation => {
      return { op: "set_keyframe", track: trackId, slice: z, box: snapped(box, size), source: "copied" };
    });
    this.perform(operations);
    return operations.length > 0;
  }

  // -- slices without the organ --

  /** The organ is first seen on `z`: all before is not here. The other end stays as it was said, if it was. */
  markFirst(z: number): void {
    const n = this.snapshot.document.shape[0];
    const last = this.snapshot.document.label_range?.[1] ?? n - 1;
    this.perform([{ op: "set_label_range", first: z, last: last < z ? n - 1 : last }]);
  }
  /** The organ is last seen on `z`: all after is not here. */
  markLast(z: number): void {
    const first = this.snapshot.document.label_range?.[0] ?? 0;
    this.perform([{ op: "set_label_range", first: first > z ? 0 : first, last: z }]);
  }
  /** The organ ends on `z` in this direction of slice numbers; `z` itself still has it. */
  endsHere(z: number, direction: 1 | -1): void {
    if (direction === 1) this.markLast(z);
    else this.markFirst(z);
  }
  /** Only this slice is without the organ. */
  notHere(z: number): void {
    this.perform([{ op: "mark_absent", first: z, last: z }]);
  }
  clearNotHere(z: number): void {
    this.perform([{ op: "clear_absent", first: z, last: z }]);
  }
  notInVolume(): void {
    this.perform([{ op: "mark_not_in_volume" }], { selected: null });
  }

  // -- log --

  /** Boxes that were looked at (`canvas/viewing`). No step of undo. */
  confirm(operations: readonly Operation[]): void {
    const due = operations.filter((operation) => {
      if (operation.op !== "confirm") return false;
      const track = this.track(operation.track);
      return track !== null && covers(track, operation.first) && covers(track, operation.last);
    });
    if (due.length === 0 || this.snapshot.readOnly) return;
    const document = applyAll(this.snapshot.document, due);
    this.setDocument(document, {});
    this.options.onOperations(due, document);
  }

  undo(): void {
    if (!this.snapshot.readOnly) this.travel(this.history.undo(this.snapshot.document));
  }
  redo(): void {
    if (!this.snapshot.readOnly) this.travel(this.history.redo(this.snapshot.document));
  }

  /** Another document came from the server: nothing is sent, and earlier steps are forgotten. */
  load(document: AnnotationDocument): void {
    this.history.clear();
    this.setDocument(document, { draft: null });
  }

  /** Apply operations as one step. Throws a Refusal, and changes nothing, when one is refused. */
  perform(
    operations: readonly Operation[],
    also: Partial<EditorSnapshot> = {},
    key: string | null = null,
  ): void {
    if (this.snapshot.readOnly || operations.length === 0) return;
    const before = this.snapshot.document;
    const document = applyAll(before, operations);
    this.history.record(before, operations, key);
    this.setDocument(document, also);
    this.options.onOperations(operations, document);
  }

  private travel(travel: Travel | null): void {
    if (travel === null) return;
    this.setDocument(travel.document, { draft: null });
    this.options.onOperations(travel.operations, travel.document);
  }

  private track(id: string): Track | null {
    return this.snapshot.document.tracks.find((track) => track.id === id) ?? null;
  }

  private selectedBox() {
    const { document, selected, z } = this.snapshot;
    const track = selected === null ? null : this.track(selected);
    if (track === null || !covers(track, z)) return null;
    return { id: track.id, z, box: boxAt(track, z), size: sliceSize(document) };
  }

  private setDocument(document: AnnotationDocument, also: Partial<EditorSnapshot>): void {
    const next = { ...this.snapshot, ...also };
    const isThere = document.tracks.some((track) => track.id === next.selected);
    const selected = isThere ? next.selected : null;
    this.set({ ...also, document, selected, states: sliceStates(document), ends: endsOf(document) });
  }

  private set(change: Partial<EditorSnapshot>): void {
    const { canUndo, canRedo } = this.history;
    this.snapshot = { ...this.snapshot, ...change, canUndo, canRedo };
    for (const listener of this.listeners) listener();
  }
}

/** A range that reaches the volume's own end says nothing about that side. */
function endsOf(document: AnnotationDocument): EditorSnapshot["ends"] {
  const range = document.label_range;
  if (range === null) return { first: null, last: null };
  return {
    first: range[0] > 0 ? range[0] : null,
    last: range[1] < document.shape[0] - 1 ? range[1] : null,
  };
}
