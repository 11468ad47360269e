"""Distances of surfaces: by hand, and equal to MONAI and SimpleITK."""

import math

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from crowdmask.core.metrics import score
from crowdmask.core.surfaces import surface_distances, surface_voxels

Mask = NDArray[np.bool_]
SPACING = (0.8, 1.5, 3.0)  # dx, dy, dz


def blobs(seed: int, *, shape: tuple[int, int, int] = (14, 24, 30), parts: int = 3) -> Mask:
    """Several ellipsoids, some cut by the edge of the grid."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    mask = np.zeros(shape, dtype=bool)
    for _ in range(parts):
        cz, cy, cx = rng.uniform(0, shape)
        rz, ry, rx = rng.uniform(1.5, 7, 3)
        mask |= ((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1
    return mask


def cube(corner: tuple[int, int, int], side: int = 4) -> Mask:
    mask = np.zeros((12, 12, 20), dtype=bool)
    mask[tuple(slice(start, start + side) for start in corner)] = True
    return mask


def test_the_surface_is_what_touches_the_outside_by_a_face() -> None:
    mask = cube((2, 2, 2), side=3)
    assert len(surface_voxels(mask)) == 26
    assert [3, 3, 3] not in surface_voxels(mask).tolist()
    assert len(surface_voxels(np.ones((3, 3, 3), dtype=bool))) == 26  # outside the grid is outside
    assert surface_voxels(np.zeros((3, 3, 3), dtype=bool)).shape == (0, 3)


def test_a_shift_is_found_in_millimetres_of_its_axis() -> None:
    one = cube((4, 4, 4))
    for corner, expected in (((4, 4, 5), 0.8), ((4, 5, 4), 1.5), ((5, 4, 4), 3.0)):
        distances = surface_distances(one, cube(corner), SPACING)
        assert distances.hausdorff(100) == pytest.approx(expected)


def test_a_distance_of_exactly_the_tolerance_is_within_it_wherever_it_lies() -> None:
    for start in range(18):
        one, other = np.zeros((2, 1, 1, 40), dtype=bool)
        one[0, 0, start] = other[0, 0, start + 20] = True
        assert surface_distances(one, other, (0.1, 1, 1)).surface_dice(2.0) == 1.0


def test_without_a_voxel_in_one_of_the_masks_there_is_no_distance() -> None:
    one, nothing = cube((4, 4, 4)), np.zeros((12, 12, 20), dtype=bool)
    for predicted, reference in ((one, nothing), (nothing, one)):
        scores = score(predicted, reference, SPACING)
        assert math.isnan(scores.hd95_mm)
        assert scores.nsd_2mm == 0.0
    neither = score(nothing, nothing, SPACING)
    assert math.isnan(neither.hd95_mm)
    assert math.isnan(neither.nsd_2mm)


def test_the_distances_do_not_depend_on_who_is_called_the_reference() -> None:
    one, other = blobs(1), blobs(2)
    there, back = score(one, other, SPACING), score(other, one, SPACING)
    assert (there.hd95_mm, there.nsd_2mm) == (back.hd95_mm, back.nsd_2mm)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of MONAI within MONAI
@pytest.mark.parametrize("seed", range(6))
def test_hd95_and_nsd_are_those_of_monai(seed: int) -> None:
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    one, other = blobs(seed), blobs(seed + 100)
    if seed % 2:  # close to each other, as a mask and its reference are
        other = np.roll(one, (0, 1, -1), (0, 1, 2))
    pair = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (one, other)]
    scores = score(one, other, SPACING)
    hd95 = compute_hausdorff_distance(
        *pair, include_background=True, percentile=95, spacing=list(SPACING[::-1])
    )
    assert scores.hd95_mm == pytest.approx(float(hd95), abs=1e-4)
    nsd = compute_surface_dice(*pair, [2.0], include_background=True, spacing=list(SPACING[::-1]))
    assert scores.nsd_2mm == pytest.approx(float(nsd), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_dice_volume_error_and_hausdorff_distance_are_those_of_simpleitk(seed: int) -> None:
    # Away from the edge of the grid: SimpleITK's distance is that of whole masks, ours that of surfaces.
    one, other = (np.pad(blobs(n), 3) for n in (seed, seed + 50))
    images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other)]
    for image in images:
        image.SetSpacing(SPACING)
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(images[1], images[0])  # the source is the reference
    scores = score(one, other, SPACING)
    assert scores.volume_dice == pytest.approx(overlap.GetDiceCoefficient())
    assert scores.volume_error == pytest.approx(one.sum() / other.sum() - 1)

    contours = [SimpleITK.LabelContour(image, fullyConnected=False) for image in images]
    found = []
    for mine, theirs in (contours, contours[::-1]):
        far = SimpleITK.GetArrayFromImage(
            SimpleITK.SignedMaurerDistanceMap(theirs, squaredDistance=False, useImageSpacing=True)
        )
        found.append(np.abs(far[SimpleITK.GetArrayFromImage(mine) > 0]))
    distances = surface_distances(one, other, SPACING)
    assert np.sort(distances.from_predicted) == pytest.approx(np.sort(found[0]), abs=1e-4)
    assert np.sort(distances.from_reference) == pytest.approx(np.sort(found[1]), abs=1e-4)
