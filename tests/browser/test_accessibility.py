"""Everybody can use every page: by keys and screen reader, in light and dark, on a phone, in plain words."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY, AdminPages
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.inspection import ONLY_PHONE, Inspection
from tests.browser.platform import RunningPlatform
from tests.browser.workspace import Workspace, open_task

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

CONSENT = "The scans may be looked at for this study only."
ORGANS = ("liver", "right kidney", "spleen")
BOX = (20, 16, 44, 34)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve slices of 48 x 64 voxels with something bright in the middle."""
    z, y, x = np.mgrid[:12, :48, :64]
    blob = ((z - 6) / 5) ** 2 + ((y - 24) / 10) ** 2 + ((x - 32) / 12) ** 2 < 1
    values = np.where(blob, 120, -60) + np.random.default_rng(7).normal(0, 12, blob.shape)
    path = tmp_path_factory.mktemp("scan") / "small.nii.gz"
    nib.save(nib.Nifti1Image(values.T.astype(np.int16), np.diag([-3.0, -3.0, 5.0, 1.0])), path)
    return path


def test_every_page_and_state_can_be_used_by_everybody(
    platform: RunningPlatform, open_page: "OpenPage", scan: Path
) -> None:
    inspection = Inspection()
    _before_signing_in(inspection, open_page(), platform.url)

    admin = AdminPages(open_page(), platform.url)
    admin.sign_in(platform.admin_link)
    _first_steps(inspection, admin, scan)
    link = _people(inspection, admin)

    person = open_page()
    _joining(inspection, person, link)
    for organ in ORGANS[:2]:
        admin.hand_out(f"{organ} in CT 1", to="Ada")
    inspection.look(admin.page, "the admin's tasks, after making some")
    person.goto(f"{platform.url}/tasks")
    expect(person.get_by_role("link", name=re.compile("Start: ")).first).to_be_visible()
    inspection.look(person, "tasks")
    _workspace(inspection, person)
    person.goto(f"{platform.url}/account")
    expect(person.get_by_role("heading", name="Account", level=1)).to_be_visible()
    expect(person.locator(".cm-skeleton")).to_have_count(0)
    inspection.look(person, "account")

    state = person.context.storage_state()
    _workspace_on_a_phone(
        inspection, open_page(f"{platform.url}/tasks", device={**PHONE, "storage_state": state})
    )
    _running_project(inspection, admin)
    inspection.nothing_is_wrong()


def _before_signing_in(inspection: Inspection, page: "Page", url: str) -> None:
    page.goto(f"{url}/sign-in")
    expect(page.get_by_label("User name")).to_be_visible()
    inspection.look(page, "sign-in form")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    inspection.look(page, "refused sign-in")
    page.goto("about:blank")
    page.goto(f"{url}/sign-in#a-token")
    expect(page.get_by_text("This link signs you in")).to_be_visible()
    inspection.look(page, "sign-in link")
    page.goto("about:blank")
    page.goto(f"{url}/join#a-token")
    expect(page.get_by_role("link", name="To your tasks")).to_be_visible()
    inspection.look(page, "invitation that does not hold")


def _first_steps(inspection: Inspection, admin: AdminPages, scan: Path) -> None:
    """From the empty system to a project with a scan."""
    page, url = admin.page, admin.page.url.partition("/admin")[0]
    page.goto(f"{url}/admin")
    expect(page.get_by_role("link", name=re.compile("project", re.IGNORECASE)).last).to_be_visible()
    inspection.look(page, "no projects")
    page.goto(f"{url}/no/such/page")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    inspection.look(page, "not found")
    page.goto(f"{url}/docs/api")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()
    inspection.look(page, "programming interface", exclude=(".swagger-ui",), sizes=ONLY_PHONE, words=False)

    page.goto(f"{url}/admin/new")
    page.get_by_role("button", name="Create the project").click()
    expect(page.get_by_role("alert")).to_be_visible()
    inspection.look(page, "new project with errors")
    admin.create_project("Abdomen", ORGANS)
    inspection.look(page, "scans, none")
    broken = scan.with_name("broken.nii.gz")
    broken.write_bytes(scan.read_bytes()[:2_000])
    admin.choose_scans(broken)
    page.get_by_role("button", name="Upload 1 scan").click()
    expect(page.get_by_role("alert").first).to_be_visible(timeout=PATIENTLY)
    inspection.look(page, "scans with a refused file")
    admin.upload(scan, name="CT 1")
    inspection.look(page, "scans")
    page.get_by_role("link", name="CT 1").click()
    expect(page.get_by_test_id("volume-3d")).to_have_attribute("data-ready", "true", timeout=PATIENTLY)
    inspection.look(page, "one scan")

    admin.go("settings")
    page.get_by_label(re.compile("Text to accept")).fill(CONSENT)
    inspection.look(page, "settings")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    for place, heading in (
        ("tasks", "Tasks"),
        ("", "Progress"),
        ("masks", "Masks"),
        ("datasets", "Datasets"),
    ):
        _open(admin, place)
        inspection.look(page, f"{heading}, at the beginning")


def _people(inspection: Inspection, admin: AdminPages) -> str:
    """Returns the link of an invitation."""
    page = admin.page
    _open(admin, "people")
    inspection.look(page, "people")
    page.get_by_role("button", name="Invite somebody").click()
    inspection.look(page, "invite dialog")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label("Invitation link").input_value()
    inspection.look(page, "invite dialog with its link")
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    inspection.look(page, "people with an invitation")
    return link


def _joining(inspection: Inspection, page: "Page", link: str) -> None:
    page.goto(link)
    expect(page.get_by_label("Your name")).to_be_visible()
    inspection.look(page, "join")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text(CONSENT)).to_be_visible()
    inspection.look(page, "consent")
    page.get_by_role("button", name="I have read this and agree").click()
    page.wait_for_url(re.compile("/tasks"))
    expect(page.locator(".cm-skeleton")).to_have_count(0)
    inspection.look(page, "tasks, none")


def _workspace(inspection: Inspection, page: "Page") -> None:
    work = open_task(page, f"Box the {ORGANS[0]}")
    inspection.look(page, "workspace, nothing drawn")
    work.go(2, work.wheel)
    work.draw_by_mouse(BOX)
    work.go(7, work.wheel)
    work.draw_by_mouse(BOX)
    inspection.look(page, "workspace with a box")
    work.go(4, work.wheel)
    expect(work.boxes()).to_have_attribute("data-done", "false")
    inspection.look(page, "workspace with a suggested box")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("dialog", name="Not finished yet")).to_be_visible()
    inspection.look(page, "what is left to do")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    inspection.look(page, "help")
    page.keyboard.press("Escape")
    for menu in ("Window", "More"):
        page.get_by_role("button", name=menu, exact=True).click()
        inspection.look(page, f"menu {menu}", sizes=(DESKTOP["viewport"],))
        page.keyboard.press("Escape")
    work.saved()
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_text("Suggest the rest", exact=True).click()
    suggested = page.get_by_role("dialog", name="Suggest the rest")
    expect(suggested.get_by_role("status")).to_be_visible(timeout=PATIENTLY)
    inspection.look(page, "suggested boxes")
    page.keyboard.press("Escape")
    work.saved()


def _workspace_on_a_phone(inspection: Inspection, page: "Page") -> None:
    page.get_by_role("link", name=re.compile(f"Start: Box the {ORGANS[1]}")).tap()
    work = Workspace(page)
    work.go(3, work.tap_step)
    work.draw_by_touch(BOX)
    expect(work.boxes()).to_have_count(1)
    inspection.look(page, "workspace on a phone", sizes=ONLY_PHONE)
    inspection.buttons(page, "workspace on a phone")
    heights = set()
    for _ in range(4):  # what is to be done next changes on the way
        heights.add(str(work.viewer.bounding_box()))
        work.tap_step(1)
        work.ready()
    assert len(heights) == 1, f"the picture jumps: {heights}"
    page.get_by_role("button", name="More", exact=True).tap()
    expect(page.get_by_role("dialog", name="More")).to_be_visible()
    inspection.look(page, "all tools on a phone", sizes=ONLY_PHONE)
    inspection.buttons(page, "all tools on a phone")
    page.get_by_role("button", name="Guide").tap()
    expect(page.get_by_role("dialog", name=re.compile("Guide|kidney", re.IGNORECASE))).to_be_visible()
    inspection.look(page, "guide on a phone", sizes=ONLY_PHONE)
    inspection.buttons(page, "guide on a phone")


def _running_project(inspection: Inspection, admin: AdminPages) -> None:
    admin.go("")
    expect(admin.page.get_by_role("row").filter(has_text="Ada").first).to_be_visible()
    inspection.look(admin.page, "progress")
    for place in (
        "people",
        "organs",
        "jobs",
        "masks",
        "quality",
        "datasets",
        "trainings",
        "evaluations",
        "report",
    ):
        _open(admin, place)
        inspection.look(admin.page, place)
    admin.page.goto(f"{admin.page.url.partition('/admin')[0]}/admin")
    expect(admin.page.get_by_role("link", name="Abdomen").first).to_be_visible()
    inspection.look(admin.page, "projects")


def _open(admin: AdminPages, place: str) -> None:
    admin.go(place)
    expect(admin.page.get_by_role("heading", level=1)).to_be_visible()
    expect(admin.page.locator(".cm-skeleton")).to_have_count(0)
