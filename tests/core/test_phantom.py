"""The generated abdomen: right sides, right densities, the same again from the same seed."""

import numpy as np
import pytest
from scipy import ndimage

from crowdmask.core.phantom import (
    AORTA,
    LEFT_KIDNEY,
    LIVER,
    PHANTOM_LABELS,
    RIGHT_KIDNEY,
    SPLEEN,
    Phantom,
    abdominal_phantom,
)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return abdominal_phantom(np.random.default_rng(0))


def _centre_mm(phantom: Phantom, index: int) -> np.ndarray:
    """Centroid in RAS+ mm: the patient's right is positive x."""
    z, y, x = ndimage.center_of_mass(phantom.labels == index)
    return (phantom.grid.affine @ [x, y, z, 1.0])[:3]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(phantom):
    again = abdominal_phantom(np.random.default_rng(0))
    assert again.voxels.tobytes() == phantom.voxels.tobytes()
    assert again.labels.tobytes() == phantom.labels.tobytes()
    assert not np.array_equal(abdominal_phantom(np.random.default_rng(1)).labels, phantom.labels)


def test_the_grid_is_canonical_at_three_millimetres(phantom):
    assert phantom.grid.spacing == (3.0, 3.0, 3.0)
    assert phantom.voxels.shape == phantom.labels.shape == phantom.grid.shape
    assert (phantom.voxels.dtype, phantom.labels.dtype) == (np.int16, np.uint8)
    assert np.sign(np.diag(phantom.grid.affine)).tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_every_organ_is_there_in_one_piece_of_a_plausible_size(seed):
    phantom = abdominal_phantom(np.random.default_rng(seed))
    millilitres = {
        label.name: (phantom.labels == label.index).sum() * 0.027 for label in PHANTOM_LABELS.labels
    }
    assert 800 < millilitres["liver"] < 1500
    assert 100 < millilitres["spleen"] < 300
    assert 80 < millilitres["right kidney"] < 180
    assert 80 < millilitres["left kidney"] < 180
    assert 40 < millilitres["aorta"] < 120
    for label in PHANTOM_LABELS.labels:
        pieces, count = ndimage.label(phantom.labels == label.index)
        largest = np.bincount(pieces.ravel())[1:].max()
        assert largest > 0.99 * (phantom.labels == label.index).sum(), (label.name, count)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_left_and_right_are_the_patients(seed):
    phantom = abdominal_phantom(np.random.default_rng(seed))
    assert _centre_mm(phantom, LIVER)[0] > 20
    assert _centre_mm(phantom, RIGHT_KIDNEY)[0] > 20
    assert _centre_mm(phantom, SPLEEN)[0] < -20
    assert _centre_mm(phantom, LEFT_KIDNEY)[0] < -20
    assert _centre_mm(phantom, AORTA)[0] < 0
    assert _centre_mm(phantom, RIGHT_KIDNEY)[2] < _centre_mm(phantom, LEFT_KIDNEY)[2] - 5, (
        "the liver pushes the right kidney down"
    )
    assert _centre_mm(phantom, LIVER)[1] > _centre_mm(phantom, RIGHT_KIDNEY)[1], "kidneys lie at the back"


@pytest.mark.parametrize(("one", "other"), [(LIVER, RIGHT_KIDNEY), (SPLEEN, LEFT_KIDNEY)])
def test_neighbouring_organs_touch(phantom, one, other):
    grown = ndimage.binary_dilation(phantom.labels == one)
    assert (grown & (phantom.labels == other)).sum() >= 10


@pytest.mark.parametrize(
    ("index", "low", "high"),
    [
        (LIVER, 60, 110),
        (SPLEEN, 90, 140),
        (RIGHT_KIDNEY, 140, 200),
        (LEFT_KIDNEY, 140, 200),
        (AORTA, 120, 190),
    ],
)
def test_organs_have_the_density_of_a_contrast_ct(phantom, index, low, high):
    voxels = phantom.voxels[phantom.labels == index]
    assert low < voxels.mean() < high
    assert 5 < voxels.std() < 40


def test_outside_the_body_is_air_with_noise_and_inside_are_fat_and_bone(phantom):
    air = phantom.voxels[:, :4, :4]
    assert air.mean() == pytest.approx(-1000, abs=5)
    assert air.std() > 3
    assert phantom.voxels.min() >= -1024
    assert ((phantom.voxels > -140) & (phantom.voxels < -60)).mean() > 0.1
    assert (phantom.voxels > 250).mean() > 0.005
