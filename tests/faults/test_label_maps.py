"""Fault 18 (docs/faults.md): label maps that lie elsewhere, or hold what is no label."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.label_values import label_map_notice
from crowdmask.core.nifti import read_label_map, read_volume, write_volume
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.volume import check_same_grid
from crowdmask.volumes.gate import GateKind, run_gate
from tests.faults.image_files import SHAPE, SLOPE, notices, plain, put, refused, write


def labels_file(folder: Path, voxels: np.ndarray) -> Path:
    return write(folder, gzip.compress(plain(voxels)), "labels.nii.gz")


def test_fault_18_a_label_map_on_another_grid_is_refused_naming_both(tmp_path):
    image = read_volume(write(tmp_path, plain(), "ct.nii"))
    labels = read_label_map(labels_file(tmp_path, np.ones((12, 10, 7), np.uint8)))
    with pytest.raises(Conflict) as caught:
        check_same_grid(image.grid, labels.grid, image_name="ct.nii", label_name="labels.nii.gz")
    assert caught.value.code is ErrorCode.GRID_MISMATCH
    assert "ct.nii (12 x 10 x 8" in caught.value.message
    assert "labels.nii.gz (12 x 10 x 7" in caught.value.message


@pytest.mark.parametrize(
    ("values", "listed"),
    [
        ([0, 1, 0.5, 2.25], "0.5, 2.25"),
        ([0, -1, 2], "-1"),
        ([0, np.nan], "nan"),
        ([0, np.inf], "inf"),
        ([0, 1e18], "1e+18"),
        (list(range(400)), "and 380 more"),
    ],
)
def test_fault_18_values_that_are_no_labels_are_listed(tmp_path, values, listed):
    voxels = np.resize(np.array(values, dtype=np.float64), SHAPE)
    error = refused(labels_file(tmp_path, voxels), ErrorCode.LABEL_VALUES_INVALID, read_label_map)
    assert listed in error.message


def test_fault_18_labels_that_are_whole_but_for_rounding_are_rounded_with_a_notice(tmp_path):
    values = np.array([0, 1.0000000354, 2.0000000708, 4.9999999])
    labels = read_label_map(labels_file(tmp_path, np.resize(values, SHAPE)))
    assert notices(labels) == {"labels_rounded"}
    assert set(np.unique(labels.voxels)) == {0, 1, 2, 5}


def test_fault_18_scaled_labels_become_integers(tmp_path):
    stored = np.resize(np.array([0, 51, 102, 255], np.uint8), SHAPE)
    content = put(plain(stored), SLOPE, "2f", 1 / 51, 0)
    labels = read_label_map(write(tmp_path, content))
    np.testing.assert_array_equal(labels.voxels, np.resize([0, 1, 2, 5], SHAPE).T)


def test_fault_18_a_label_above_255_is_kept_as_a_wider_integer(tmp_path):
    values = np.resize(np.array([0, 3, 2035, 14175], np.int32), SHAPE)
    path = labels_file(tmp_path, values)
    labels = read_label_map(path)
    assert labels.voxels.dtype == np.int32
    np.testing.assert_array_equal(labels.voxels, values.T)
    assert run_gate(path, kind=GateKind.LABELS).label_values == (3, 2035, 14175)


def _suspected(path: Path, **options: bool) -> list[str]:
    """The notices of a file sent as a scan that say that it looks like a label map."""
    found = run_gate(path, kind=GateKind.VOLUME, **options).notices
    return [notice.text for notice in found if notice.code == "looks_like_labels"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_fault_18_a_label_map_sent_as_a_scan_is_taken_with_a_notice(tmp_path, dtype):
    voxels = np.zeros(SHAPE, dtype)
    voxels[2:5, 3:6] = 1
    voxels[6:8, 3:6] = 13
    (text,) = _suspected(labels_file(tmp_path, voxels))
    assert "3 different values" in text
    assert "from 0 to 13" in text
    assert "delete this scan, and add the file to the scan that it belongs to" in text


@pytest.mark.parametrize(
    "voxels",
    [
        np.arange(np.prod(SHAPE)).reshape(SHAPE) % 31,  # one value too many
        np.resize([0, 1, 1], SHAPE),  # mostly something
        np.resize([0, 0, 0, -1024], SHAPE),
        np.resize([0, 0, 0, 256], SHAPE),
        np.resize([0, 0, 0, 0.5], SHAPE),
        np.resize([*[0] * 30, 1, np.nan], SHAPE),
        np.zeros(SHAPE),
    ],
    ids=["many", "no background", "negative", "high", "halves", "nan", "constant"],
)
def test_fault_18_an_image_of_few_values_is_no_label_map(tmp_path, voxels):
    path = write(tmp_path, gzip.compress(plain(voxels.astype(np.float32))), "image.nii.gz")
    assert _suspected(path) == []


@pytest.mark.sample_data
def test_fault_18_no_real_scan_looks_like_a_label_map_and_every_real_label_map_does(sample_data):
    files = [path for path in sorted(sample_data.rglob("*.nii.gz")) if "openlabeling" not in path.parts]
    labels = [path for path in files if re.search("label|mask", str(path.relative_to(sample_data)))]
    assert len(files) > 60 > len(labels) > 30
    suspected = [path for path in files if label_map_notice(read_volume(path).voxels) is not None]
    assert suspected == labels


def test_fault_18_the_phantom_does_not_look_like_a_label_map(tmp_path):
    phantom = abdominal_phantom(np.random.default_rng(0))
    write_volume(tmp_path / "phantom.nii.gz", phantom.voxels, phantom.grid)
    assert _suspected(tmp_path / "phantom.nii.gz") == []


@pytest.mark.sample_data
def test_fault_18_real_labels_without_orientation_and_with_scaling_are_read_when_told(sample_data, tmp_path):
    path = sample_data / "openlabeling" / "sam_labels" / "label0010.nii.gz"
    with pytest.raises(InvalidInput) as caught:
        read_label_map(path)
    assert caught.value.code is ErrorCode.ORIENTATION_UNKNOWN
    labels = read_label_map(path, assume_affine=True)
    assert {"affine_assumed", "labels_rounded"} <= notices(labels)
    assert set(np.unique(labels.voxels)) == {0, 5}


@pytest.mark.sample_data
@pytest.mark.parametrize("modality", ["CT", "PET", "MR_T1"])
def test_fault_18_real_masks_lie_on_their_images(sample_data, modality):
    image = run_gate(sample_data / "sarcoma_001" / f"{modality}_image.nii.gz", kind=GateKind.VOLUME)
    mask = run_gate(sample_data / "sarcoma_001" / f"{modality}_mask.nii.gz", kind=GateKind.LABELS)
    check_same_grid(image.grid, mask.grid, image_name="image", label_name="mask")
    assert mask.label_values == (1,)
