"""An admin with an empty system: a project, scans, people, tasks."""

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.admin import AdminPages
from tests.browser.platform import RunningPlatform

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
