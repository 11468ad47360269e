/** What every key and button does. Framework-free; what the person is to see or hear goes through the host. */
import { t } from "@lingui/core/macro";
import { boxesOn } from "@/canvas/document";
import { snapped } from "@/canvas/geometry";
import { toSlice, zoomedAt } from "@/canvas/viewport";
import type { Command } from "./keys";
import { endDirection } from "./next-step";
import type { Session, Work } from "./session";

export type Panel = "guide" | "help" | "submit" | "ends" | "more" | "windows" | "none-in-scan" | "suggest";

export interface Host {
  say(text: string): void;
  open(panel: Panel): void;
  toggleGuide(): void;
}

export function act(command: Command, session: Session, work: Work, host: Host): void {
  try {
    perform(command, session, work, host);
  } catch {
    host.say(t`That is not possible on this slice.`);
  }
}

function perform(command: Command, session: Session, work: Work, host: Host): void {
  const { editor, look } = work;
  const now = editor.getSnapshot();
  const { z } = now;
  const number = z + 1;
  switch (command.do) {
    case "step":
      return editor.step(command.slices);
    case "ends":
      return editor.goTo(command.at === "top" ? 0 : now.states.length - 1);
    case "nudge":
      return editor.nudge(command.dx, command.dy);
    case "resize":
      return editor.resize(command.dx !== 0 ? "e" : "s", command.dx, command.dy);
    case "window": {
      const preset = work.presets[command.index];
      return preset === undefined ? undefined : session.setWindow(preset.window);
    }
    case "zoom": {
      const { view } = look.getSnapshot();
      if (view === null) return;
      const middle = { x: view.width / 2, y: view.height / 2 };
      return look.setView(zoomedAt(view, middle, command.factor));
    }
    case "next-to-check":
      if (!editor.goToNextToCheck()) host.say(t`All slices are done.`);
      return;
    case "fit":
      return look.fit();
    case "mask":
      return look.set({ showMask: !look.getSnapshot().showMask });
    case "guide":
      return host.toggleGuide();
    case "help":
      return host.open("help");
    case "submit":
      return host.open("submit");
    case "deselect":
      return editor.select(null);
  }
  if (now.readOnly) return host.say(t`Nothing can be changed here now.`);
  switch (command.do) {
    case "first":
      editor.markFirst(z);
      return host.say(t`First slice: ${number}. The slices before it are marked Not here.`);
    case "last":
      editor.markLast(z);
      return host.say(t`Last slice: ${number}. The slices after it are marked Not here.`);
    case "not-here":
      if (now.states[z] === "absent") editor.clearNotHere(z);
      else editor.notHere(z);
      return;
    case "ends-here": {
      if (now.states[z] === "absent") return host.say(t`This slice is marked Not here already.`);
      const direction = endDirection(now.document, now.ends, z);
      if (direction === null) return host.open("ends");
      editor.endsHere(z, direction);
      return host.say(
        direction === 1
          ? t`The slices after ${number} are marked Not here.`
          : t`The slices before ${number} are marked Not here.`,
      );
    }
    case "copy":
      if (!editor.copyBox(-1) && !editor.copyBox(1)) {
        host.say(t`There is no box on the slices beside this one.`);
      }
      return;
    case "new-piece":
      return editor.setNewPiece(!now.newPiece);
    case "keyboard-box":
      return keyboardBox(work, host);
    case "delete":
      return removeBox(work, host);
    case "undo":
      return editor.undo();
    case "redo":
      return editor.redo();
  }
}

/** The suggested box becomes the person's own; without one, a box in the middle of what is on the screen. */
function keyboardBox({ editor, look, size }: Work, host: Host): void {
  const { document, z, selected, newPiece } = editor.getSnapshot();
  const here = newPiece ? [] : boxesOn(document, z);
  const suggested =
    here.find((box) => box.trackId === selected && !box.done) ?? here.find((box) => !box.done);
  if (suggested !== undefined) {
    editor.select(suggested.trackId);
    editor.drawBox(z, snapped(suggested.box, size), { source: "edited" });
    return host.say(t`The box is yours now. Move it with the arrow keys.`);
  }
  const { view } = look.getSnapshot();
  if (view === null) return;
  const quarter = { x: view.width / 3, y: view.height / 3 };
  const a = toSlice(view, quarter);
  const b = toSlice(view, { x: view.width - quarter.x, y: view.height - quarter.y });
  editor.drawBox(z, snapped([a.x, a.y, b.x, b.y], size), { newPiece: newPiece || here.length > 0 });
  host.say(t`A box in the middle. Move it with the arrow keys, change its size with Alt and the arrow keys.`);
}

function removeBox({ editor }: Work, host: Host): void {
  const { document, z, selected } = editor.getSnapshot();
  const here = boxesOn(document, z);
  const chosen = here.find((box) => box.trackId === selected) ?? (here.length === 1 ? here[0] : undefined);
  if (chosen === undefined) return host.say(t`Choose a box first.`);
  editor.deleteBox(chosen.trackId, z);
  host.say(t`The box is deleted.`);
}
