import { Trans, useLingui } from "@lingui/react/macro";
import {
  type PointerEvent,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { boxesOn } from "@/canvas/document";
import { AXIAL_LETTERS, scaleBar } from "@/canvas/orientation";
import { pixelTable, SlicePainter } from "@/canvas/render";
import { lookupTable } from "@/canvas/window";
import { Button } from "@/shared/ui/button";
import { useToasts } from "@/shared/ui/toast";
import { Boxes } from "./boxes";
import { useStore } from "./hooks";
import { Pointing } from "./pointing";
import type { Session, Work } from "./session";

const KINDS = { pointerdown: "down", pointermove: "move", pointerup: "up", pointercancel: "cancel" } as const;

export interface ViewerProps {
  readonly session: Session;
  readonly work: Work;
  /** What the last command did, in a sentence. */
  readonly said: string | null;
  /** The space bar is held: dragging moves the picture. Set to "used" when it did. */
  readonly space: { current: "up" | "down" | "used" };
  /** Lies over the picture. */
  readonly children?: ReactNode;
}

/** The slice, its boxes over it, and the hand that draws. Left stays left in every language. */
export function Viewer({ session, work, space, said, children }: ViewerProps) {
  const { t } = useLingui();
  const toasts = useToasts();
  const { editor, look, size, task } = work;
  const shown = useStore(editor);
  const { window, view, showMask } = useStore(look);
  const { slices, arrivals, mask, preview } = useStore(session);
  const root = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<SlicePainter | null>(null);
  const [corner, setCorner] = useState(false);
  const { z } = shown;
  const n = shown.states.length;
  const number = z + 1;

  // Texts that arrive later must not end a drag: it finds its words when it says them.
  const pointing = useMemo(() => new Pointing(session, work, toasts), [session, work, toasts]);

  useEffect(() => {
    pointing.configure({ draw: shown.tool, twoFingers: "zoom" });
    setCorner(false);
  }, [pointing, shown.tool]);

  // A drag that began on one slice never ends on another.
  useEffect(() => {
    pointing.gestures.cancel();
    setCorner(false);
    slices?.goTo(z);
  }, [pointing, slices, z]);

  useLayoutEffect(() => {
    const element = root.current;
    if (element === null) return;
    const measure = (): void => look.resize(element.clientWidth, element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault();
      const dy = event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY;
      const at = place(element, event);
      pointing.gestures.handle({ type: "wheel", ...at, dy, ctrl: event.ctrlKey || event.metaKey });
    };
    // React listens to the wheel passively, where the page would scroll along.
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener("wheel", onWheel);
    };
  }, [look, pointing]);

  const { pack } = task.volume;
  const table = useMemo(
    () => pixelTable(lookupTable(window, { scale: pack.scale, offset: pack.offset })),
    [window, pack],
  );
  const values = useMemo(() => slices?.get(z) ?? null, [slices, z, arrivals]);
  const hasFailed = values === null && slices?.status(z) === "failed";
  const layer = useMemo(() => {
    if (values === null || !showMask) return null;
    if (mask.bits === null) return preview?.z === z ? preview : null;
    return { bits: mask.bits(z), region: { x0: 0, y0: 0, ...size } };
  }, [values, showMask, mask.bits, preview, z, size]);

  useLayoutEffect(() => {
    if (canvas.current === null) return;
    painter.current ??= new SlicePainter(canvas.current, size);
    painter.current.setSlice(values, table);
    if (values !== null) look.firstPicture(values);
  }, [values, table, size, look]);

  useLayoutEffect(() => painter.current?.setMask(layer), [layer]);

  useLayoutEffect(() => {
    if (view === null || painter.current === null) return;
    painter.current.draw(view, devicePixelRatio);
    session.onPainted(values === null ? null : z);
  }, [view, values, table, layer, z, session]);

  function onPointer(event: PointerEvent<HTMLDivElement>): void {
    const element = root.current;
    const type = KINDS[event.type as keyof typeof KINDS];
    if (element === null || type === undefined || event.target instanceof HTMLButtonElement) return;
    if (type === "down") {
      element.focus({ preventScroll: true });
      element.setPointerCapture(event.pointerId);
      if (space.current === "down") space.current = "used";
    }
    const pointer =
      event.pointerType === "touch" || event.pointerType === "pen" ? event.pointerType : "mouse";
    pointing.gestures.handle({
      type,
      id: event.pointerId,
      pointer,
      button: event.button,
      ...place(element, event),
      space: space.current !== "up",
    });
    setCorner(pointing.gestures.corner !== null);
  }

  const bar = view === null ? null : scaleBar(view.scale, Math.min(160, view.width / 4));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keyboard's way is the boxes and the tools beside it
    <div
      ref={root}
      className="cm-viewer"
      dir="ltr"
      data-testid="viewer"
      data-z={z}
      data-loaded={values !== null}
      data-mask={layer === null ? "none" : layer === preview ? "preview" : "made"}
      data-low={window.low}
      data-high={window.high}
      tabIndex={-1}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      onPointerUp={onPointer}
      onPointerCancel={onPointer}
      onContextMenu={(event) => event.preventDefault()}
    >
      <canvas ref={canvas} role="img" aria-label={t`Slice ${number} of ${n}`} />
      {view === null ? null : (
        <Boxes
          view={view}
          shown={shown}
          boxes={boxesOn(shown.document, z)}
          onSelect={(id) => editor.select(id)}
        />
      )}
      <div className="cm-letters" aria-hidden="true">
        {(["left", "right", "top", "bottom"] as const).map((edge) => (
          <span key={edge} data-edge={edge}>
            {AXIAL_LETTERS[edge]}
          </span>
        ))}
      </div>
      <div className="cm-slice-number" data-testid="slice-number">
        {number} / {n}
      </div>
      {bar === null ? null : (
        <div className="cm-scale">
          <div style={{ width: bar.px }} />
          <Trans>{bar.mm} mm</Trans>
        </div>
      )}
      {said === null ? null : (
        <div className="cm-viewer-said" data-testid="said" aria-hidden="true">
          {said}
        </div>
      )}
      {corner ? (
        <div className="cm-viewer-note">
          <Trans>Now tap the opposite corner</Trans>
        </div>
      ) : null}
      {values !== null ? null : (
        <div className="cm-viewer-note" data-testid="slice-note">
          {hasFailed ? (
            <>
              <Trans>Slice {number} could not be loaded</Trans>
              <Button
                size="small"
                onClick={() => {
                  slices?.goTo(z);
                  session.lookAgain();
                }}
              >
                <Trans>Retry</Trans>
              </Button>
            </>
          ) : (
            <Trans>Loading slice {number}</Trans>
          )}
        </div>
      )}
      {children}
    </div>
  );
}

/** CSS pixels from the element's upper left corner. */
function place(element: HTMLElement, event: { clientX: number; clientY: number }): { x: number; y: number } {
  const { left, top } = element.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}
