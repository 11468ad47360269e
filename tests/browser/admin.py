"""What an admin does on the pages, as steps of tests."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENTLY = PATIENCE_S * 1000
"""Milliseconds for what a worker has to do first."""


class AdminPages:
    """An admin at the pages of one project."""

    def __init__(self, page: "Page", url: str) -> None:
        self.page = page
        self._url = url

    def sign_in(self, link: str) -> None:
        sign_in(self.page, link)

    def create_project(self, name: str, labels: Sequence[str]) -> None:
        """Also chooses it: the pages of the project are open afterwards."""
        self.page.goto(f"{self._url}/admin/new")
        self.page.get_by_label("Name of the project").fill(name)
        self.page.get_by_label("Add organs").fill(", ".join(labels))
        self.page.get_by_role("button", name="Add to the list").click()
        self.page.get_by_role("button", name="Create the project").click()
        self.page.wait_for_url(re.compile(r"/admin/projects/[^/]+/scans"))

    @property
    def project_url(self) -> str:
        found = re.match(r".*/admin/projects/[^/]+", self.page.url)
        assert found is not None, self.page.url
        return found[0]

    def go(self, place: str) -> None:
        """To a page of the project: scans, organs, tasks, people, datasets, evaluations, jobs, or "" for the progress."""
        self.page.goto(f"{self.project_url}/{place}".rstrip("/"))

    def choose_scans(self, *files: Path) -> None:
        self.page.get_by_label("Scan files").set_input_files([str(file) for file in files])

    def choose_references(self, *files: Path) -> None:
        self.page.get_by_label("Reference files").set_input_files([str(file) for file in files])

    def upload(self, file: Path, *, name: str) -> None:
        """Upload a file that is accepted, and wait until the scan is ready."""
        self.choose_scans(file)
        self.page.get_by_label("Name of the scan").fill(name)
        self.page.get_by_role("button", name="Upload 1 scan").click()
        row = self.page.get_by_role("row", name=re.compile(re.escape(name)))
        expect(row.get_by_role("button", name=f"Add a reference to {name}")).to_be_visible(timeout=PATIENTLY)

    def invite(self, *, note: str) -> str:
        """An invitation of an annotator; returns its link."""
        self.go("people")
        self.page.get_by_role("button", name="Invite somebody").click()
        self.page.get_by_label("Note (optional)").fill(note)
        self.page.get_by_role("button", name="Make the link").click()
        link = self.page.get_by_label("Invitation link").input_value()
        self.page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
        return link

    def add_reference(self, name: str, file: Path) -> None:
        self.go("scans")
        self.page.get_by_role("button", name=f"Add a reference to {name}").click()
        form = self.page.get_by_role("dialog")
        form.locator('input[type="file"]').set_input_files(str(file))
        form.get_by_label("Who made it").select_option("model")
        form.get_by_role("button", name="Upload").click()
        expect(self.page.get_by_role("row", name=re.compile(re.escape(name)))).to_contain_text("yes (")

    def hand_out(self, cell: str, *, to: str | None = None) -> None:
        """Make the task of a cell such as "liver in CT 1", for one person or for whoever asks."""
        self.go("tasks")
        self.page.get_by_label(cell).check()
        if to is None:
            self.page.get_by_role("button", name="Make tasks for whoever asks").click()
        else:
            self.page.get_by_role("group", name="Give them to").get_by_label(to).check()
            self.page.get_by_role("button", name="Make tasks and give them to these people").click()
        expect(self.page.get_by_role("status", name="Result")).to_be_visible()

    def scores(self) -> dict[str, float]:
        """Volume Dice by label, of the evaluations' table, as soon as nothing is missing in it."""
        rows = self.page.get_by_role("group", name=re.compile("Masks")).locator("tbody tr")
        expect(rows.first).to_be_visible()
        expect(rows.filter(has_text="not yet")).to_have_count(0, timeout=PATIENTLY)
        found = {}
        for row in rows.all():
            cells = [cell.strip() for cell in row.locator("th, td").all_inner_texts()]
            found[cells[1].partition(" ")[2]] = float(
                next(cell for cell in cells if re.fullmatch(r"[01]\.\d+", cell))
            )
        return found


def sign_in(page: "Page", link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/(tasks|admin)"))
