"""The main job as a user runs it: one command, a real CT, a real worker, real weights."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from crowdmask.core.metrics import volume_dice
from crowdmask.core.nnunet import check_dataset
from crowdmask.demo import phantom_files

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class FinishedDemo:
    result: dict[str, Any]
    output: str
    ct: Path
    reference: Path


@pytest.fixture(scope="module")
def demo(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    ct, reference = sample_data / "abdomen_ct" / "image.nii.gz", sample_data / "abdomen_ct" / "labels.nii.gz"
    finished = _demo(
        *("--data", str(tmp_path_factory.mktemp("demo") / "folder with spaces")),
        *("--volume", str(ct), "--reference", str(reference), "--reference-origin", "model"),
    )
    return FinishedDemo(json.loads(finished.stdout), finished.stdout, ct, reference)


def test_the_standard_output_is_exactly_one_json_object(demo: FinishedDemo) -> None:
    decoder = json.JSONDecoder()
    _, end = decoder.raw_decode(demo.output)
    assert demo.output[end:].strip() == ""
    assert set(demo.result) == {"rows", "ideal", "masks", "export"}


def test_every_label_is_boxed_by_the_imperfect_annotator(demo: FinishedDemo) -> None:
    rows = demo.result["rows"]
    names = ["spleen", "right kidney", "left kidney", "liver", "aorta"]
    assert [(row["index"], row["label"]) for row in rows] == list(enumerate(names, start=1))
    for row in rows:
        assert 0 < row["slices"] <= row["boxes"]
        assert row["seconds"] > 0
        assert row["volume_dice"] >= (0.8 if row["label"] != "aorta" else 0.5)
    assert demo.result["ideal"]["label"] == "liver"
    assert demo.result["ideal"]["volume_dice"] >= 0.92


def test_the_dice_is_computed_from_the_masks_against_the_reference(demo: FinishedDemo) -> None:
    reference = np.asarray(nib.load(demo.reference).dataobj)
    shifted = np.roll(reference, 5, axis=0)
    for row, path in zip(demo.result["rows"], demo.result["masks"], strict=True):
        mask = np.asarray(nib.load(path).dataobj) == row["index"]
        assert volume_dice(mask, reference == row["index"]) == pytest.approx(row["volume_dice"], abs=1e-4)
        assert volume_dice(mask, shifted == row["index"]) < row["volume_dice"] - 0.1


def test_each_mask_lies_exactly_on_the_grid_of_the_ct(demo: FinishedDemo) -> None:
    ct = nib.load(demo.ct)
    for row, path in zip(demo.result["rows"], demo.result["masks"], strict=True):
        mask = nib.load(path)
        assert mask.shape == ct.shape
        np.testing.assert_array_equal(mask.affine, ct.affine)
        for form in ("get_sform", "get_qform"):
            ours, code = getattr(mask, form)(coded=True)
            theirs, expected_code = getattr(ct, form)(coded=True)
            assert code == expected_code
            if theirs is not None:
                np.testing.assert_array_equal(ours, theirs)
        assert mask.header.get_zooms() == ct.header.get_zooms()
        assert mask.get_data_dtype() == np.uint8
        assert set(np.unique(mask.dataobj)) == {0, row["index"]}


def test_the_export_keeps_the_rules_of_nnunet_and_its_own_manifest(demo: FinishedDemo) -> None:
    folder = Path(demo.result["export"])
    report = check_dataset(folder)
    assert report.training_cases == 1
    assert report.cases_with_label == dict.fromkeys(range(1, 6), 1)
    manifest = json.loads((folder / "crowdmask_manifest.json").read_text())
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == on_disk - {"crowdmask_manifest.json"}
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256


def test_a_label_that_the_reference_lacks_is_answered_as_not_there_and_has_one_row(tmp_path: Path) -> None:
    phantom = phantom_files(tmp_path)
    assert phantom.reference is not None
    ct, reference = nib.load(phantom.volume), nib.load(phantom.reference)
    labels = np.asarray(reference.dataobj)
    # Four slices through the liver; the other labels taken out.
    middle = int(np.flatnonzero((labels == 4).any(axis=(0, 1))).mean())
    part = (slice(None), slice(None), slice(middle, middle + 4))
    labels = np.where(labels == 4, 4, 0).astype(np.uint8)
    nib.save(ct.slicer[part], tmp_path / "ct.nii.gz")
    nib.save(nib.Nifti1Image(labels[part], ct.slicer[part].affine), tmp_path / "labels.nii.gz")

    finished = _demo(
        *("--data", str(tmp_path / "data")),
        *("--volume", str(tmp_path / "ct.nii.gz"), "--reference", str(tmp_path / "labels.nii.gz")),
    )
    result = json.loads(finished.stdout)
    assert [row["index"] for row in result["rows"]] == [1, 2, 3, 4, 5]
    for row in result["rows"]:
        if row["index"] == 4:
            assert row["slices"] == 4
            assert row["volume_dice"] > 0.8
        else:
            assert (row["slices"], row["boxes"], row["volume_dice"]) == (0, 0, None)
    assert len(set(result["masks"])) == 5
    assert check_dataset(Path(result["export"])).cases_with_label == {1: 0, 2: 0, 3: 0, 4: 1, 5: 0}


def test_the_demo_needs_volume_and_reference_together(tmp_path: Path) -> None:
    finished = _demo("--data", str(tmp_path / "data"), "--volume", "ct.nii.gz", check=False)
    assert finished.returncode == 2
    assert "together" in finished.stderr
    assert not (tmp_path / "data").exists()


def _demo(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("crowdmask")), "demo", "--no-serve", "--json", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if check:
        assert finished.returncode == 0, finished.stderr
    return finished
