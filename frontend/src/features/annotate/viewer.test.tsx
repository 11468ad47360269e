import { I18nProvider } from "@lingui/react";
import { act, fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { emptyDocument } from "@/canvas/document";
import { Editor } from "@/canvas/editor";
import { i18n } from "@/shared/texts/i18n";
import { ToastProvider } from "@/shared/ui/toast";
import { Look } from "./look";
import type { Session, Work } from "./session";
import { Store } from "./store";
import { Viewer } from "./viewer";

const SIZE = { columns: 100, rows: 100 };

/** The parts of a session that the viewer looks at; no slice has arrived yet. */
class Waiting extends Store<{ slices: null; arrivals: number; mask: { bits: null }; preview: null }> {
  readonly onPainted = vi.fn();
}

it("texts that arrive in the middle of a drawing do not end it", () => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  HTMLElement.prototype.setPointerCapture = () => undefined;
  // jsdom paints nothing; what is painted is not looked at here.
  const painted = new Proxy({}, { get: () => () => undefined });
  const context = vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(painted as never);
  const editor = new Editor({ document: emptyDocument([10, 100, 100]), onOperations: vi.fn() });
  const look = new Look({
    key: "look of a task",
    size: SIZE,
    spacing: { x: 1, y: 1 },
    window: { low: 0, high: 255 },
    values: { scale: 1, offset: 0 },
    air: 0,
  });
  const task = { volume: { pack: { scale: 1, offset: 0 } } };
  render(
    <I18nProvider i18n={i18n}>
      <ToastProvider>
        <Viewer
          session={
            new Waiting({
              slices: null,
              arrivals: 0,
              mask: { bits: null },
              preview: null,
            }) as unknown as Session
          }
          work={{ editor, look, size: SIZE, task, presets: [] } as unknown as Work}
          space={{ current: "up" }}
          said={null}
        />
      </ToastProvider>
    </I18nProvider>,
  );
  act(() => look.resize(400, 400));
  const viewer = screen.getByTestId("viewer");
  const pointer = { pointerId: 1, pointerType: "mouse", button: 0 };
  fireEvent.pointerDown(viewer, { ...pointer, clientX: 100, clientY: 100 });
  fireEvent.pointerMove(viewer, { ...pointer, clientX: 150, clientY: 150 });
  act(() => i18n.load("en", {}));
  fireEvent.pointerMove(viewer, { ...pointer, clientX: 200, clientY: 220 });
  fireEvent.pointerUp(viewer, { ...pointer, clientX: 200, clientY: 220 });
  expect(editor.getSnapshot().document.tracks).toHaveLength(1);
  context.mockRestore();
  vi.unstubAllGlobals();
});
