"""What an annotator does in the workspace, as steps of tests: by mouse, by touch, by keys."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Locator, Page

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in voxel edges, half-open."""


class Workspace:
    """The workspace in ``page``; it is open and has loaded its first slice."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self._screen: CDPSession | None = None
        self.viewer: Locator = page.get_by_test_id("viewer")
        self.ready()

    def ready(self) -> None:
        expect(self.viewer).to_have_attribute("data-loaded", "true")

    @property
    def z(self) -> int:
        return int(self.viewer.get_attribute("data-z") or "-1")

    @property
    def n_slices(self) -> int:
        return int(self.page.get_by_test_id("slice-number").inner_text().split("/")[1])

    def boxes(self) -> "Locator":
        return self.page.get_by_test_id("box")

    def go(self, z: int, step: Callable[[int], None]) -> None:
        """To slice ``z``, by ``step`` (+1 or -1)."""
        while self.z != z:
            self._one_step(1 if z > self.z else -1, step)
        self.ready()

    def _one_step(self, direction: int, step: Callable[[int], None]) -> None:
        """On a busy machine the browser takes a tap for a long press now and then; people press again."""
        wanted = str(self.z + direction)
        for is_last in (False, False, True):
            step(direction)
            try:
                expect(self.viewer).to_have_attribute("data-z", wanted, timeout=3_000)
            except AssertionError:
                if is_last:
                    raise
            else:
                return

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a voxel edge lies in the page, CSS pixels."""
        frame = self.viewer.bounding_box()
        drawn = self.page.get_by_test_id("boxes")
        assert frame is not None
        scale_x, scale_y, offset_x, offset_y = (
            float(drawn.get_attribute(f"data-{name}") or "nan")
            for name in ("scale-x", "scale-y", "offset-x", "offset-y")
        )
        return frame["x"] + x * scale_x + offset_x, frame["y"] + y * scale_y + offset_y

    # ---- by mouse ----

    def wheel(self, direction: int) -> None:
        self.page.mouse.move(*self._middle())
        self.page.mouse.wheel(0, 100 * direction)

    def draw_by_mouse(self, box: Box) -> None:
        self.page.mouse.move(*self.point(box[0], box[1]))
        self.page.mouse.down()
        self.page.mouse.move(*self.point((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
        self.page.mouse.move(*self.point(box[2], box[3]))
        self.page.mouse.up()

    def _middle(self) -> tuple[float, float]:
        frame = self.viewer.bounding_box()
        assert frame is not None
        return frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2

    # ---- by touch ----

    def tap_step(self, direction: int) -> None:
        self.page.get_by_role("button", name="Next" if direction > 0 else "Previous", exact=True).tap()

    def draw_by_touch(self, box: Box) -> None:
        start, end = self.point(box[0], box[1]), self.point(box[2], box[3])
        between = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        self.touch("touchStart", start)
        self.touch("touchMove", between)
        self.touch("touchMove", end)
        self.touch("touchEnd")
        self.page.wait_for_timeout(400)  # nobody's finger is at the next button sooner

    def touch(self, kind: str, *fingers: tuple[float, float]) -> None:
        """What the screen reports: the fingers that are down."""
        if self._screen is None:  # one for all: a touch ends with its session
            self._screen = self.page.context.new_cdp_session(self.page)
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(fingers)]
        self._screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    # ---- by keys ----

    def key_step(self, direction: int) -> None:
        self.page.keyboard.press("s" if direction > 0 else "w")

    def draw_by_keys(self, box: Box) -> None:
        """A box in the middle, or the suggested one, sized and moved by the arrow keys until it is ``box``."""
        self.page.keyboard.press("k")
        mine = self.page.locator('[data-testid="box"][data-selected="true"]')
        expect(mine).to_have_count(1)
        left, top, right, bottom = self._edges(mine)
        self._press(box[2] - box[0] - (right - left), "Alt+ArrowRight", "Alt+ArrowLeft")
        self._press(box[3] - box[1] - (bottom - top), "Alt+ArrowDown", "Alt+ArrowUp")
        self._press(box[0] - left, "ArrowRight", "ArrowLeft")
        self._press(box[1] - top, "ArrowDown", "ArrowUp")
        assert self._edges(mine) == list(box), (self._edges(mine), box)
        self.page.keyboard.press("Escape")

    def _press(self, by: int, forward: str, back: str) -> None:
        key = forward if by > 0 else back
        for _ in range(abs(by) // 5):
            self.page.keyboard.press(f"Shift+{key}")
        for _ in range(abs(by) % 5):
            self.page.keyboard.press(key)

    @staticmethod
    def _edges(box: "Locator") -> list[int]:
        named = box.get_attribute("aria-label") or ""
        found = re.search(r"left (-?\d+), top (-?\d+), right (-?\d+), bottom (-?\d+)", named)
        assert found is not None, named
        return [int(edge) for edge in found.groups()]

    # ---- the whole of a task ----

    def saved(self) -> None:
        expect(self.page.get_by_test_id("save-state")).to_have_text("All saved")

    def look_at_suggested(self, first: int, last: int, step: Callable[[int], None]) -> None:
        """Scroll through the slices, on each until its box counts as looked at."""
        self.go(first, step)
        for z in range(first, last + 1):
            self.go(z, step)
            for box in self.boxes().all():
                expect(box).to_have_attribute("data-done", "true")

    def mask_is_ready(self) -> None:
        expect(self.page.get_by_text("The mask is ready")).to_be_visible(timeout=PATIENTLY)


def open_task(page: "Page", title: str) -> Workspace:
    """From the tasks page by the card."""
    page.get_by_role("link", name=re.compile(f"(Start|Continue): {title}")).click()
    return Workspace(page)


def key_slices(slices: Sequence[int], *, every: int = 5) -> list[int]:
    """The first, every fifth, and the last."""
    chosen = list(slices[::every])
    return chosen if chosen[-1] == slices[-1] else [*chosen, slices[-1]]
