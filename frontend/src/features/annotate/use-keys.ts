import { type RefObject, useEffect } from "react";
import { boxesOn } from "@/canvas/document";
import type { Editor } from "@/canvas/editor";
import { type Command, commandOf } from "./keys";

/** Space counts when it is let go: held down, it moves the picture instead. */
export function useKeys(
  editor: Editor,
  act: (command: Command) => void,
  space: RefObject<"up" | "down" | "used">,
): void {
  useEffect(() => {
    function onDown(event: KeyboardEvent): void {
      const command = commandFor(event, editor);
      if (command === null) return;
      event.preventDefault();
      if (event.code === "Space") {
        if (space.current === "up") space.current = "down";
        return;
      }
      if (event.repeat && !["step", "nudge", "resize", "zoom", "undo", "redo"].includes(command.do)) return;
      if (command.do === "deselect") leaveBox();
      act(command);
    }
    function onUp(event: KeyboardEvent): void {
      if (event.code !== "Space") return;
      if (space.current === "down") act({ do: "next-to-check" });
      space.current = "up";
    }
    function onBlur(): void {
      space.current = "up";
    }
    addEventListener("keydown", onDown);
    addEventListener("keyup", onUp);
    addEventListener("blur", onBlur);
    return () => {
      removeEventListener("keydown", onDown);
      removeEventListener("keyup", onUp);
      removeEventListener("blur", onBlur);
    };
  }, [editor, act, space]);
}

function commandFor(event: KeyboardEvent, editor: Editor): Command | null {
  const target = event.target instanceof Element ? event.target : null;
  const isTyping = target?.closest("input, textarea, select, [contenteditable]");
  if (event.defaultPrevented || event.isComposing || isTyping) return null;
  if (target?.closest("dialog, [role=menu]") || document.querySelector("dialog[open]")) return null;
  const { document: work, z, selected } = editor.getSnapshot();
  return commandOf(
    {
      code: event.code,
      key: event.key,
      shift: event.shiftKey,
      alt: event.altKey,
      ctrl: event.ctrlKey || event.metaKey,
    },
    {
      box: boxesOn(work, z).some((box) => box.trackId === selected),
      free: target?.closest("button, a, summary") == null,
      timeline: target?.closest('[role="slider"]') != null,
    },
  );
}

function leaveBox(): void {
  if (document.activeElement instanceof SVGElement) document.activeElement.blur();
}
