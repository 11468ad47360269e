"""Fault 18 (docs/faults.md): label maps that lie elsewhere, or hold what is no label."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.nifti import read_label_map, read_volume
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
