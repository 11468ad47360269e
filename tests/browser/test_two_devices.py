"""One person, two devices, one task: whoever comes second decides what becomes of both works."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY
from tests.browser.organs import LABELS, organs_of
from tests.browser.platform import RunningPlatform, admin_client
from tests.browser.steps import join
from tests.browser.workspace import Box, Workspace
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage

AT_FIRST, OFFLINE, ELSEWHERE = (30, 30, 50, 50), (10, 10, 30, 26), (20, 60, 44, 80)


@pytest.fixture(scope="module")
def invite(
    platform: RunningPlatform, sample_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """Makes a link to a project that has a task for everybody."""
    organs = organs_of(sample_data, tmp_path_factory.mktemp("organs"), only=slice(60, 72))
    with admin_client(platform) as admin:
        project = admin.create_project("Two devices", labels=LABELS)
        volume = admin.upload_volume(project.id, organs.ct, name="CT 1")
        admin.create_tasks(project.id, volume_ids=[volume.id], label_indices=[1, 2, 3])
        eventually(lambda: admin.volume(volume.id).state == "ready")
        yield lambda: admin.create_invite(project.id)


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("Keep both", {OFFLINE, ELSEWHERE}), ("Keep mine", {OFFLINE}), ("Take theirs", {ELSEWHERE})],
)
def test_work_done_offline_meets_what_another_device_saved_meanwhile(
    open_page: "OpenPage", invite: Callable[[], str], choice: str, kept: set[Box]
) -> None:
    page = join(open_page(), invite(), "Eva")
    page.get_by_role("button", name="Next task").click()
    mine = Workspace(page)
    start = mine.z
    mine.draw_by_mouse(AT_FIRST)
    mine.saved()
    # The mask that the box would give.
    expect(mine.viewer).to_have_attribute("data-mask", "preview", timeout=PATIENTLY)
    other = Workspace(open_page(page.url, device={"storage_state": page.context.storage_state()}))
    other.go(start, other.wheel)
    expect(other.boxes()).to_have_count(1)

    page.context.set_offline(True)
    drawn = {OFFLINE: start + 1, ELSEWHERE: start + 3}
    _draw(mine, OFFLINE, drawn[OFFLINE])
    expect(page.get_by_test_id("save-state")).to_contain_text("1 unsent")
    _draw(other, ELSEWHERE, drawn[ELSEWHERE])
    other.saved()
    page.context.set_offline(False)

    asked = page.get_by_role("dialog", name="Somebody saved this task in another place")
    asked.get_by_role("button", name=choice).click()
    expect(asked).to_be_hidden()
    mine.saved()
    page.reload()  # what is shown now is what was saved
    mine.ready()
    for box, z in drawn.items():
        mine.go(z, mine.wheel)
        named = "left {}, top {}, right {}, bottom {}".format(*box)
        found = page.get_by_role("button", name=re.compile(named))
        expect(found).to_have_count(1 if box in kept else 0)


def _draw(work: Workspace, box: Box, z: int) -> None:
    work.go(z, work.wheel)
    work.draw_by_mouse(box)
