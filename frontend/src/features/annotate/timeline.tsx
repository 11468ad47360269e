import { Trans, useLingui } from "@lingui/react/macro";
import { type PointerEvent, useRef, useState } from "react";
import type { SliceState } from "@/canvas/document";
import type { Editor } from "@/canvas/editor";
import { segments, sliceAt } from "@/canvas/timeline";
import { useStore } from "./hooks";
import { stateWord } from "./words";

const STATES: readonly SliceState[] = ["unknown", "suggested", "done", "absent"];

/** The whole stack as a line, told apart by colour and by pattern. Click or drag to go to a slice. */
export function Timeline({ editor }: { editor: Editor }) {
  const { t } = useLingui();
  const { states, z } = useStore(editor);
  const line = useRef<HTMLDivElement>(null);
  const [dragging, setDragging] = useState(false);
  const n = states.length;
  const number = z + 1;
  const state = stateWord(states[z] ?? "unknown");

  function go(event: PointerEvent<HTMLDivElement>): void {
    const element = line.current;
    if (element === null) return;
    const { top, height } = element.getBoundingClientRect();
    if (event.type === "pointerdown") {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      setDragging(true);
    } else if (!element.hasPointerCapture(event.pointerId)) return;
    editor.goTo(sliceAt(event.clientY - top, height, n));
  }

  return (
    <div className="cm-timeline">
      <div
        ref={line}
        className="cm-timeline-line"
        role="slider"
        aria-orientation="vertical"
        aria-label={t`Slices`}
        aria-valuemin={1}
        aria-valuemax={n}
        aria-valuenow={number}
        aria-valuetext={t`Slice ${number} of ${n}: ${state}`}
        tabIndex={0}
        data-testid="timeline"
        onPointerDown={go}
        onPointerMove={go}
        onPointerUp={() => setDragging(false)}
        onPointerCancel={() => setDragging(false)}
      >
        {segments(states).map(({ state: kind, first, last, from, to }) => (
          <div
            key={first}
            className="cm-run"
            data-state={kind}
            data-first={first}
            data-last={last}
            style={{ top: `${from * 100}%`, height: `${(to - from) * 100}%` }}
          />
        ))}
        <div
          className="cm-now"
          data-dragging={dragging}
          style={{ top: `${(z / n) * 100}%`, height: `max(5px, ${100 / n}%)` }}
        >
          {dragging ? <span>{number}</span> : null}
        </div>
      </div>
      <Legend />
    </div>
  );
}

export function Legend() {
  return (
    <ul className="cm-legend">
      {STATES.map((state) => (
        <li key={state}>
          <span className="cm-run" data-state={state} aria-hidden="true" />
          {stateWord(state)}
        </li>
      ))}
      <li className="cm-hidden">
        <Trans>Dashed boxes are suggested; solid boxes are done.</Trans>
      </li>
    </ul>
  );
}
