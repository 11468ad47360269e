import { useLingui } from "@lingui/react/macro";
import type { BoxOnSlice } from "@/canvas/document";
import type { EditorSnapshot } from "@/canvas/editor";
import { handlePoints } from "@/canvas/hit";
import { boxToScreen, type ScreenBox, toScreen, type Viewport } from "@/canvas/viewport";

const TICKS = 4;
/** CSS pixels. The handles of a smaller box would hide what is in it: only its corners have one, and beside the box. */
const ROOMY = 40;

/** A handle that is not drawn can still be pulled. */
function drawnHandles(rect: ScreenBox) {
  const isSmall = Math.min(rect.width, rect.height) < ROOMY;
  const by = isSmall ? TICKS : 0;
  const { left, top, width, height } = rect;
  const around = { left: left - by, top: top - by, width: width + 2 * by, height: height + 2 * by };
  return Object.entries(handlePoints(around)).filter(([handle]) => !isSmall || handle.length > 1);
}

/** The boxes of the slice over its picture. The pointer goes through them: the viewer hits by distance, not by line. */
export function Boxes({
  view,
  shown,
  boxes,
  onSelect,
}: {
  view: Viewport;
  shown: EditorSnapshot;
  boxes: readonly BoxOnSlice[];
  onSelect: (trackId: string) => void;
}) {
  const { t } = useLingui();
  const origin = toScreen(view, { x: 0, y: 0 });
  const { draft } = shown;
  return (
    <svg
      className="cm-boxes"
      aria-label={t`Boxes`}
      data-testid="boxes"
      data-scale-x={view.spacing.x * view.scale}
      data-scale-y={view.spacing.y * view.scale}
      data-offset-x={origin.x}
      data-offset-y={origin.y}
    >
      {boxes.map((one) => {
        const isSelected = one.trackId === shown.selected;
        const isDrafted = draft?.trackId === one.trackId;
        const box = isDrafted && draft !== null ? draft.box : one.box;
        const rect = boxToScreen(view, box);
        const [left, top, right, bottom] = box.map((edge) => Math.round(edge));
        const slice = one.slice + 1;
        const name = t`Box on slice ${slice}: left ${left}, top ${top}, right ${right}, bottom ${bottom}`;
        return (
          // biome-ignore lint/a11y/useSemanticElements: a shape inside an SVG cannot be a button element
          <g
            key={one.trackId}
            className="cm-box"
            data-testid="box"
            data-slice={one.slice}
            data-source={one.source}
            data-confirmed={one.confirmed}
            data-track={one.trackId}
            data-done={one.done}
            data-selected={isSelected}
            tabIndex={0}
            role="button"
            aria-pressed={isSelected}
            aria-label={one.done ? name : t`${name} (suggested)`}
            onFocus={() => onSelect(one.trackId)}
          >
            <rect
              className="cm-box-edge"
              x={rect.left}
              y={rect.top}
              width={rect.width}
              height={rect.height}
            />
            <rect
              className="cm-box-line"
              x={rect.left}
              y={rect.top}
              width={rect.width}
              height={rect.height}
            />
            {isSelected && !shown.readOnly
              ? drawnHandles(rect).map(([handle, at]) => (
                  <rect
                    key={handle}
                    className="cm-handle"
                    data-handle={handle}
                    x={at.x - TICKS}
                    y={at.y - TICKS}
                    width={TICKS * 2}
                    height={TICKS * 2}
                  />
                ))
              : null}
          </g>
        );
      })}
      {draft !== null && draft.trackId === null ? <Draft view={view} box={draft.box} /> : null}
    </svg>
  );
}

function Draft({ view, box }: { view: Viewport; box: BoxOnSlice["box"] }) {
  const rect = boxToScreen(view, box);
  return (
    <g className="cm-box" data-testid="draft" data-selected="true" data-done="true">
      <rect className="cm-box-edge" x={rect.left} y={rect.top} width={rect.width} height={rect.height} />
      <rect className="cm-box-line" x={rect.left} y={rect.top} width={rect.width} height={rect.height} />
    </g>
  );
}
