"""References of scans with long names, and a label map that was sent as a scan before."""

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from playwright.sync_api import expect

from tests.browser.admin import AdminPages
from tests.browser.platform import RunningPlatform

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import OpenPage


def test_names_and_what_became_of_references_are_seen_at_once(
    platform: RunningPlatform, open_page: "OpenPage", tmp_path: Path
) -> None:
    admin = AdminPages(open_page(), platform.url)
    admin.sign_in(platform.admin_link)
    admin.create_project("Hippocampus", ["anterior"])
    scan, labels = tmp_path / "hippocampus_067_0000.nii.gz", tmp_path / "hippocampus_067.nii.gz"
    values = np.random.default_rng(1).normal(100, 20, (20, 24, 6)).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1.0, 2.0, 1.0])), scan)
    nib.save(
        nib.Nifti1Image((values[:, :, :5] > 120).astype(np.uint8), np.diag([-1.0, -1.0, 2.0, 1.0])), labels
    )
    admin.upload(scan, name="hippocampus_067_0000")
    page = admin.page
    admin.choose_scans(labels)
    page.get_by_role("button", name="Upload 1 scan").click()
    named = page.get_by_role("rowheader", name="hippocampus_067_0000")
    # Beside it stands the long notice of a scan that looks like a label map.
    expect(page.get_by_role("row").filter(has_text="looks like a label map")).to_be_visible()
    assert _lines(named) == 1

    admin.choose_references(labels)
    row = page.get_by_role("group", name="References to be uploaded").get_by_role("row").last
    expect(row.get_by_role("cell").first).to_contain_text("hippocampus_067_0000")
    page.get_by_label("Who made them").select_option("generated")
    page.get_by_role("button", name="Upload 1 reference").click()
    page.set_viewport_size({"width": 360, "height": 780})
    reason = row.get_by_role("alert")
    expect(reason).to_contain_text("does not lie on the grid of hippocampus_067_0000")
    seen = reason.bounding_box()
    assert seen is not None
    assert seen["x"] + seen["width"] <= 360


def _lines(name: "Locator") -> int:
    """Over how many lines a text goes."""
    return int(
        name.evaluate(
            "(element) => { const range = document.createRange(); range.selectNodeContents(element);"
            " return new Set([...range.getClientRects()].map(({top}) => Math.round(top))).size; }"
        )
    )
