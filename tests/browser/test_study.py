"""The whole study by real people's hands: from an empty system to masks, their scores and a dataset."""

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY, AdminPages
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.organs import LABELS, Organs, organs_of
from tests.browser.platform import RunningPlatform
from tests.browser.steps import finish, join
from tests.browser.workspace import Box, Workspace, key_slices, open_task

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.slow

DICE = 0.85


@pytest.fixture(scope="module")
def organs(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Organs:
    return organs_of(sample_data, tmp_path_factory.mktemp("organs"))


def test_people_box_a_scan_by_mouse_touch_and_keys_and_the_admin_sees_it_become_a_dataset(
    platform: RunningPlatform, open_page: "OpenPage", organs: Organs, tmp_path: Path
) -> None:
    admin = AdminPages(open_page(), platform.url)
    admin.sign_in(platform.admin_link)
    admin.create_project("Abdomen", LABELS)
    admin.upload(organs.ct, name="CT 1")
    admin.add_reference("CT 1", organs.reference)

    ada = join(open_page(device=DESKTOP), admin.invite(note="Ada"), "Ada")
    ben = join(open_page(device=PHONE), admin.invite(note="Ben"), "Ben")
    admin.hand_out("liver in CT 1", to="Ada")
    admin.hand_out("right kidney in CT 1")
    admin.hand_out("left kidney in CT 1")
    admin.go("")
    liver_row = admin.page.get_by_role("row").filter(has_text="liver")
    expect(liver_row).to_contain_text("Ada")

    ada.reload()
    ada = _box_the_liver_by_mouse(ada, admin.page, organs.boxes["liver"])
    expect(liver_row).to_contain_text("1 of 1", timeout=PATIENTLY)  # nobody reloaded the table

    ben.get_by_role("button", name="Next task").tap()
    _box_by_touch(Workspace(ben), organs.boxes["right kidney"])

    ada.get_by_role("button", name="Finish and next task").click()
    expect(ada.get_by_role("heading", name="Box the left kidney")).to_be_visible()
    _box_by_keys(Workspace(ada), organs.boxes["left kidney"])

    for page in (ada, ben):
        Workspace(page).mask_is_ready()
    admin.go("evaluations")
    admin.page.get_by_role("button", name="Evaluate new masks").click()
    scores = admin.scores()
    assert set(scores) == set(LABELS)
    assert min(scores.values()) >= DICE, scores

    admin.go("report")
    plots = admin.page.get_by_role("img", name=re.compile("Box plot"))
    expect(plots.first).to_be_visible()
    plots.first.scroll_into_view_if_needed()
    admin.page.wait_for_function("() => document.querySelector('img.cm-plot').naturalWidth > 0")
    with admin.page.expect_download() as report:
        admin.page.get_by_role("link", name="Download the report").click()
    assert "Lowest Dice of the volume" in report.value.path().read_text(encoding="utf-8")

    admin.go("datasets")
    admin.page.get_by_role("button", name="Freeze and write the dataset").click()
    link = admin.page.get_by_role("link", name=re.compile("^Download zip: "))
    expect(link).to_be_visible(timeout=PATIENTLY)
    with admin.page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "dataset.zip")
    names = zipfile.ZipFile(tmp_path / "dataset.zip").namelist()
    assert "Dataset501_Abdomen/labelsTr/CT_1.nii.gz" in names
    assert "Dataset501_Abdomen/crowdmask_manifest.json" in names


def _box_the_liver_by_mouse(page: "Page", table: "Page", boxes: dict[int, Box]) -> "Page":
    """With everything that can come between: refused submission, no network, a closed tab, a second tab.

    Returns the tab in which the work was finished.
    """
    work = open_task(page, "Box the liver")
    keys = key_slices(sorted(boxes))
    half = len(keys) // 2
    for z in keys[:half]:
        work.go(z, work.wheel)
        work.draw_by_mouse(boxes[z])
    work.saved()
    row = table.get_by_role("row").filter(has_text="liver")
    expect(row).to_contain_text(re.compile("[1-9][0-9]? ?%"), timeout=PATIENTLY)  # nobody reloaded the table

    page.get_by_role("button", name="Submit").click()
    refused = page.get_by_role("dialog", name="Not finished yet")
    expect(refused.get_by_test_id("gaps")).to_contain_text("to do")
    expect(refused.get_by_test_id("gaps")).to_contain_text("look at the suggested boxes")
    page.keyboard.press("Escape")

    # The network is cut, and the tab closed before it is back.
    work.go(keys[half], work.wheel)
    page.context.set_offline(True)
    work.draw_by_mouse(boxes[keys[half]])
    expect(page.get_by_test_id("save-state")).to_contain_text("1 unsent")
    address, context = page.url, page.context
    page.close()
    context.set_offline(False)
    page = context.new_page()
    page.goto(address)
    work = Workspace(page)
    work.saved()
    work.go(keys[half], work.wheel)
    expect(work.boxes()).to_have_count(1)

    second = context.new_page()
    second.goto(address)
    expect(second.get_by_text("open in another tab")).to_be_visible()
    onlooker = Workspace(second)
    onlooker.draw_by_mouse(boxes[keys[0]])
    expect(onlooker.boxes()).to_have_count(0)
    expect(second.get_by_role("button", name="Submit")).to_have_count(0)
    second.close()

    for z in keys[half + 1 :]:
        work.go(z, work.wheel)
        work.draw_by_mouse(boxes[z])
    finish(work, keys, step=work.wheel, press=lambda name: page.get_by_role("button", name=name).click())
    return page


def _box_by_touch(work: Workspace, boxes: dict[int, Box]) -> None:
    """A second finger on the way turns a drawing into a movement of the picture; nothing is kept of it.

    Boxes that are smaller than a fingertip are left out: somebody on a phone would zoom in, or not see the organ there.
    """
    keys = key_slices([z for z, box in sorted(boxes.items()) if min(box[2] - box[0], box[3] - box[1]) >= 6])
    work.go(keys[0], work.tap_step)
    start, end = work.point(*boxes[keys[0]][:2]), work.point(*boxes[keys[0]][2:])
    work.touch("touchStart", start)
    work.touch("touchMove", end)
    work.touch("touchStart", end, start)
    work.touch("touchEnd")
    expect(work.boxes()).to_have_count(0)
    for z in keys:
        work.go(z, work.tap_step)
        work.draw_by_touch(boxes[z])
    finish(work, keys, step=work.tap_step, press=lambda name: _tap(work.page, name))


def _tap(page: "Page", name: str) -> None:
    """A button of the bar, or the one beside the sentence that speaks of it, or of what "More" opens."""
    shown = page.get_by_role("button", name=name)
    if shown.count() == 0:
        page.get_by_role("button", name="More", exact=True).tap()
    shown.tap()


def _box_by_keys(work: Workspace, boxes: dict[int, Box]) -> None:
    keys = key_slices(sorted(boxes))
    for z in keys:
        work.go(z, work.key_step)
        work.draw_by_keys(boxes[z])
    letters = {"First slice": "f", "Last slice": "l", "Submit": "Control+Enter"}
    finish(work, keys, step=work.key_step, press=lambda name: work.page.keyboard.press(letters[name]))
