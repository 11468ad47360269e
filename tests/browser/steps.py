"""What people do from end to end, as steps of tests."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.workspace import Box, Workspace, key_slices

if TYPE_CHECKING:
    from playwright.sync_api import Page


def join(page: "Page", link: str, name: str) -> "Page":
    """Accept an invitation under a new name."""
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url(re.compile("/tasks"))
    return page


def finish(
    work: Workspace, keys: list[int], *, step: Callable[[int], None], press: Callable[[str], None]
) -> None:
    """Say where the organ begins and ends, look at what was filled in, and hand in."""
    work.go(keys[-1], step)
    press("Last slice")
    work.go(keys[0], step)
    press("First slice")
    work.look_at_suggested(keys[0], keys[-1], step)
    work.saved()
    press("Submit")
    expect(work.page.get_by_role("dialog", name="Not finished yet")).to_be_hidden()
    expect(work.page.get_by_role("button", name="Finish and next task")).to_be_visible()


def box_by_mouse(work: Workspace, boxes: dict[int, Box]) -> None:
    """The whole of a task."""
    keys = key_slices(sorted(boxes))
    for z in keys:
        work.go(z, work.wheel)
        work.draw_by_mouse(boxes[z])
    finish(work, keys, step=work.wheel, press=lambda name: work.page.get_by_role("button", name=name).click())
