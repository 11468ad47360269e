"""A researcher's dataset by hand: what is stated of scans, what a choice gives, the folder, and its twin."""

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY, AdminPages
from tests.browser.inspection import Inspection
from tests.browser.platform import RunningPlatform

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage

SCANS = ("CT 1", "CT 2", "CT 3", "CT 4")


def _scan(folder: Path, number: int) -> tuple[Path, Path]:
    """A small scan and its reference of two organs."""
    affine = np.diag([-3.0, -3.0, 5.0, 1.0])
    values = np.random.default_rng(number).integers(-100, 200, (32, 24, 6), dtype=np.int16)
    labels = np.zeros(values.shape, np.uint8)
    labels[4:12, 5:15, 1:4] = 1
    labels[18:26, 5:15, 2:5] = 2
    scan, reference = folder / f"scan{number}.nii.gz", folder / f"reference{number}.nii.gz"
    nib.save(nib.Nifti1Image(values, affine), scan)
    nib.save(nib.Nifti1Image(labels, affine), reference)
    return scan, reference


def test_a_dataset_of_references_is_chosen_seen_before_it_is_made_and_downloaded(
    platform: RunningPlatform, open_page: "OpenPage", tmp_path: Path
) -> None:
    inspection = Inspection()
    admin = AdminPages(open_page(), platform.url)
    page = admin.page
    admin.sign_in(platform.admin_link)
    admin.create_project("Abdomen", ["liver", "spleen"])
    references = {}
    for number, name in enumerate(SCANS):
        scan, references[name] = _scan(tmp_path, number)
        admin.go("scans")
        admin.upload(scan, name=name)
    admin.choose_references(*references.values())
    table = page.get_by_role("group", name="References to be uploaded")
    expect(table.get_by_text("No scan is called so: choose one")).to_have_count(len(SCANS))
    for name in SCANS[:3]:
        table.get_by_label(f"Scan of {references[name].name}").select_option(label=name)
    inspection.look(page, "references that are about to be uploaded")
    page.get_by_label("Who made them").select_option("model")
    page.get_by_role("button", name="Upload 3 references").click()
    for name in SCANS[:3]:
        expect(page.get_by_role("button", name=f"Replace the reference of {name}")).to_be_visible(
            timeout=PATIENTLY
        )
    page.get_by_role("button", name=f"Delete the reference of {SCANS[0]}").click()
    expect(page.get_by_role("dialog")).to_contain_text("No score and no dataset depends on it.")
    inspection.look(page, "a reference that is about to be deleted")
    page.get_by_role("dialog").get_by_role("button", name="Delete the reference").click()
    admin.add_reference(SCANS[0], references[SCANS[0]])

    for name in SCANS[:2]:
        page.get_by_label(f"Choose {name}").check()
    page.get_by_role("button", name="State patient, modality, licence").click()
    stated = page.get_by_role("dialog")
    stated.get_by_label("Patient").fill("P1")
    stated.get_by_label("Modality").fill("ct")
    stated.get_by_label("Licence").fill("CC BY 4.0")
    inspection.look(page, "what is stated of two scans")
    stated.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("CT 2"))).to_contain_text("Patient P1CTCC BY 4.0")
    inspection.look(page, "scans")

    admin.go("settings")
    page.get_by_label("Fill in between two pieces").check()
    page.get_by_label("How to cite the scans").fill("Doe et al. 2020")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved")).to_be_visible()

    admin.go("datasets")
    form = page.get_by_role("form", name="New dataset")
    counts = form.get_by_role("status")
    expect(counts).to_contain_text("0 scans for training")
    inspection.look(page, "a new dataset that would be empty")
    form.get_by_label("The references").check()
    expect(counts).to_contain_text("3 scans for training, 0 for the test, 1 left out")
    form.get_by_label("A share, drawn by the seed").check()
    form.get_by_label("Share of test scans (%)").fill("34")
    expect(counts).to_contain_text("2 scans for training, 1 for the test, 1 left out")
    form.get_by_label("Folds of the training scans").fill("1")
    expect(form.get_by_text("Give 0 for none, or a whole number")).to_be_visible()
    form.get_by_label("Folds of the training scans").fill("9")
    expect(form.get_by_role("alert")).to_contain_text("9 folds")
    form.get_by_label("Folds of the training scans").fill("0")
    form.get_by_text("The folder").click()
    expect(form.get_by_label("Files of the dataset")).to_contain_text("imagesTs/")
    inspection.look(page, "a new dataset of references")
    form.get_by_label("Name (optional)").fill("Abdomen_reference")
    form.get_by_role("button", name="Freeze and write the dataset").click()

    made = page.get_by_role("listitem").filter(has_text="Dataset501_Abdomen_reference, version 1")
    link = made.get_by_role("link", name=re.compile("^Download zip: "))
    expect(link).to_be_visible(timeout=PATIENTLY)
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "dataset.zip")
    with zipfile.ZipFile(tmp_path / "dataset.zip") as archive:
        assert archive.testzip() is None
        inside = {name.partition("/")[2] for name in archive.namelist()}
    assert {"dataset.json", "crowdmask_manifest.json"} < inside
    assert len([name for name in inside if name.startswith("imagesTr/")]) == 2
    assert len([name for name in inside if name.startswith("labelsTs/")]) == 1
    inspection.look(page, "datasets")
    assert inspection.wrong == []
