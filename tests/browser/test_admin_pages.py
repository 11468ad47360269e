"""An admin with an empty system: a project, scans, people, tasks."""

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect

from tests.browser.admin import AdminPages
from tests.browser.platform import RunningPlatform
from tests.browser.steps import join
from tests.browser.workspace import Workspace

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage


def test_an_empty_system_leads_to_a_project_with_scans_people_and_tasks(
    platform: RunningPlatform, open_page: "OpenPage", sample_data: Path, tmp_path: Path
) -> None:
    admin = AdminPages(open_page(), platform.url)
    admin.sign_in(platform.admin_link)
    admin.create_project("Abdomen", ["right kidney", "left kidney", "liver"])
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes((sample_data / "abdomen_ct" / "image.nii.gz").read_bytes()[:50_000])
    admin.choose_scans(broken)
    admin.page.get_by_role("button", name="Upload 1 scan").click()
    expect(admin.page.get_by_role("alert").filter(has_text="ends")).to_be_visible()
    admin.upload(sample_data / "abdomen_ct" / "image.nii.gz", name="CT 1")
    link = admin.invite(note="Eva")
    assert link.startswith(f"{platform.url}/join#")
    admin.go("tasks")
    admin.page.get_by_label("liver in CT 1").check()
    admin.page.get_by_role("button", name="Make tasks for whoever asks").click()
    expect(admin.page.get_by_role("status", name="Result")).to_contain_text("1 task is there")
    admin.go("")
    expect(admin.page.get_by_role("row", name="CT 1").filter(has_text="liver")).to_contain_text("0 of 1")

    _write_a_guide(admin, tmp_path)
    person = join(open_page(), link, "Eva")
    person.get_by_role("button", name="Next task").click()
    Workspace(person)
    guide = person.get_by_test_id("guide")
    expect(guide).to_contain_text("Large, on the right of the body.")
    picture = guide.get_by_role("img", name="The liver, outlined")
    expect(picture).to_have_js_property("naturalWidth", 64)


def _write_a_guide(admin: AdminPages, folder: Path) -> None:
    """Words and a picture for the liver."""
    Image.new("RGB", (64, 48), (200, 30, 30)).save(folder / "liver.png")
    page = admin.page
    admin.go("organs")
    page.get_by_role("button", name="Edit liver").click()
    form = page.get_by_role("form", name="Guide of liver")
    form.get_by_label("Guide").fill("Large, on the right of the body.")
    form.get_by_role("button", name="Save").click()
    page.get_by_label("Caption of the next picture").fill("The liver, outlined")
    page.locator('input[type="file"]').set_input_files(folder / "liver.png")
    expect(page.get_by_role("button", name="Delete the picture The liver, outlined")).to_be_visible()
