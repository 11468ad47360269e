"""nnU-Net's own check of our datasets."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core import nifti, nnunet
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import LabelSet
from crowdmask.core.volume import Grid
from crowdmask_ml.nnunet.integrity import verify_integrity
from tests.conftest import missing

SHAPE = (4, 12, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two oblique cases with two labels."""
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")
    turn = np.deg2rad(10)
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    affine[:2, :2] = [[-2 * np.cos(turn), 2 * np.sin(turn)], [-2 * np.sin(turn), -2 * np.cos(turn)]]
    dataset = nnunet.DatasetFolder.named(tmp_path, number=501, name="Two organs")
    for number in range(2):
        voxels = np.random.default_rng(number).integers(-1000, 1000, SHAPE, dtype=np.int16)
        nifti.write_volume(tmp_path / "ct.nii.gz", voxels, Grid(shape=SHAPE, affine=affine))
        mask = np.zeros(SHAPE, np.uint8)
        mask[1:3, 2:6, 3:9], mask[1:3, 7:9, 3:9] = 1, 2
        nnunet.write_case(dataset, f"case_{number}", image=tmp_path / "ct.nii.gz", mask=mask)
    labels = LabelSet.from_names(["spleen", "liver"])
    nnunet.write_dataset_json(dataset, nnunet.DatasetDescription(("CT",), labels, 2))
    return dataset.path


def test_nnunet_accepts_a_dataset_of_ours(folder: Path) -> None:
    nnunet.check_dataset(folder)
    assert verify_integrity(folder)


@pytest.mark.parametrize(
    ("shape", "spacing", "channel", "ignores"),
    [
        ((4, 12, 16), (2.0, 2.0, 3.0), "CT", True),
        ((6, 40, 36), (0.7, 0.7, 9.0), "image", False),
        ((2, 12, 16), (1.0, 1.0, 5.0), "image", True),
        ((1, 12, 16), (1.0, 1.0, 5.0), "CT", False),
    ],
    ids=["partial with ignore", "anisotropic MR", "two slices, partial", "one slice"],
)
def test_nnunet_accepts_datasets_of_many_kinds(
    tmp_path: Path,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    channel: str,
    ignores: bool,
) -> None:
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")
    dataset = nnunet.DatasetFolder.named(tmp_path, number=502, name="Kinds")
    description = nnunet.DatasetDescription((channel,), LabelSet.from_names(["liver"]), 1, ignores=ignores)
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    for split in nnunet.Split:
        voxels = np.random.default_rng(0).integers(0, 900, shape, dtype=np.int16)
        nifti.write_volume(tmp_path / "image.nii.gz", voxels, Grid(shape=shape, affine=affine))
        mask = np.zeros(shape, np.uint8)
        mask[0, 2:6, 3:9] = 1
        if ignores and split is nnunet.Split.TRAINING:
            mask[-1][mask[-1] == 0] = description.ignore_index
        nnunet.write_case(dataset, f"case_{split}", image=tmp_path / "image.nii.gz", mask=mask, split=split)
    nnunet.write_dataset_json(dataset, description)
    assert nnunet.check_dataset(dataset.path).test_cases == 1
    assert verify_integrity(dataset.path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "labelsTr" / "case_1.nii.gz").unlink(), "case_1"),
        (lambda folder: (folder / "imagesTr" / "case_1_0000.nii.gz").write_bytes(b"no image"), "case_1"),
        (
            lambda folder: nifti.write_mask(
                folder / "labelsTr" / "case_1.nii.gz",
                np.full(SHAPE, 3, np.uint8),
                nifti.read_source_grid(folder / "imagesTr" / "case_1_0000.nii.gz"),
            ),
            "Unexpected labels",
        ),
    ],
    ids=["no label", "no image", "unknown label"],
)
def test_what_nnunet_refuses_is_an_invalid_dataset_in_its_words(folder, damage, said) -> None:
    damage(folder)
    with pytest.raises(InvalidInput, match=said) as refused:
        verify_integrity(folder)
    assert refused.value.code is ErrorCode.DATASET_INVALID
