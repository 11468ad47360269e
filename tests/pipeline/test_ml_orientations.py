"""Boxes from a reference, masks from the boxes, scores from the masks: by the commands, on a real CT however it is stored."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from crowdmask import cli as crowdmask_cli
from crowdmask_ml import cli as ml_cli

pytestmark = [pytest.mark.slow, pytest.mark.sample_data]

# Ideal boxes come from the reference itself, so these check the pipeline; they are no accuracy.
LEAST_DICE = {1: 0.92, 2: 0.88, 3: 0.88, 4: 0.92, 5: 0.85}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of embeddings for all tests here, also when several processes run them."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ct-embeddings"


def _run(app: object, *arguments: object) -> dict:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _segment(image: Path, reference: Path, labels: list[int], folder: Path, cache: Path) -> tuple[Path, dict]:
    """Ideal boxes of the labels through all three commands: the mask and the volume Dice by label."""
    boxes, mask = folder / "boxes.json", folder / "mask.nii.gz"
    chosen = [part for label in labels for part in ("--label", label)]
    _run(crowdmask_cli.app, "simulate", reference, *chosen, "-o", boxes, "--json")
    said = _run(ml_cli.app, "segment", image, boxes, "-o", mask, "--cache", cache, "--json")
    assert said["window"] == {"low": -160, "high": 240}
    scores = _run(crowdmask_cli.app, "evaluate", mask, reference, "--json")["labels"]
    return mask, {label: scores[str(label)]["volume_dice"] for label in labels}


def _assert_same_grid(mask: Path, image: Path) -> None:
    made, source = nib.load(mask), nib.load(image)
    assert made.shape == source.shape
    assert made.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(made.affine, source.affine)
    for field in ("sform_code", "qform_code", "pixdim", "xyzt_units", "quatern_b", "quatern_c", "quatern_d"):
        np.testing.assert_array_equal(made.header[field], source.header[field])
    np.testing.assert_array_equal(made.header.get_sform(), source.header.get_sform())


@pytest.mark.parametrize("labels", [[5], list(LEAST_DICE)], ids=["one organ", "all organs"])
def test_ideal_boxes_give_good_masks(
    sample_data: Path, tmp_path: Path, cache: Path, labels: list[int]
) -> None:
    folder = sample_data / "abdomen_ct"
    image = folder / "image.nii.gz"
    mask, dice = _segment(image, folder / "labels.nii.gz", labels, tmp_path, cache)
    _assert_same_grid(mask, image)
    assert set(np.unique(np.asarray(nib.load(mask).dataobj))) == {0, *labels}
    assert all(dice[label] >= LEAST_DICE[label] for label in labels)


def _stored_as(path: Path, axes: str, affine: np.ndarray | None, target: Path) -> None:
    """The same voxels at the same place, with the axes in another order; or at another, oblique place."""
    image = nib.load(path)
    source = nib.orientations.io_orientation(image.affine)
    moved = image.as_reoriented(
        nib.orientations.ornt_transform(source, nib.orientations.axcodes2ornt(tuple(axes)))
    )
    voxels = np.asarray(moved.dataobj)
    placed = moved.affine if affine is None else affine @ moved.affine
    written = nib.Nifti1Image(voxels, placed, dtype=voxels.dtype)
    written.set_sform(placed, 1)
    written.set_qform(placed, 2)
    nib.save(written, target)


def _turn(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


@pytest.fixture(scope="module")
def dice_as_stored(
    sample_data: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> dict[int, float]:
    folder = sample_data / "abdomen_ct"
    work = tmp_path_factory.mktemp("as-stored")
    return _segment(folder / "image.nii.gz", folder / "labels.nii.gz", [1, 2], work, cache)[1]


@pytest.mark.parametrize(
    ("axes", "affine"),
    [("LPS", None), ("LAS", None), ("SPR", None), ("AIL", None), ("RAS", _turn(17)), ("PLS", _turn(-9))],
    ids=["LPS", "LAS", "permuted", "permuted-and-flipped", "oblique", "oblique-permuted"],
)
def test_the_way_a_ct_is_stored_changes_nothing(
    axes: str,
    affine: np.ndarray | None,
    sample_data: Path,
    tmp_path: Path,
    cache: Path,
    dice_as_stored: dict[int, float],
) -> None:
    image, reference = tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz"
    _stored_as(sample_data / "abdomen_ct" / "image.nii.gz", axes, affine, image)
    _stored_as(sample_data / "abdomen_ct" / "labels.nii.gz", axes, affine, reference)
    mask, dice = _segment(image, reference, [1, 2], tmp_path, cache)
    _assert_same_grid(mask, image)
    for label, expected in dice_as_stored.items():
        assert dice[label] == pytest.approx(expected, abs=0.005)
