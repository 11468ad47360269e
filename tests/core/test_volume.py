"""Grids, orientations and the screen."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.volume import Grid, Orientation, check_slice_axis, display_slice, from_display

AFFINE = np.array([[-0.7, 0.01, 0, 91.25], [0, -1.3, 0, 1 / 3], [0, 0.02, 2.9, -700], [0, 0, 0, 1]])
orientations = st.builds(
    Orientation,
    axes=st.permutations(range(3)).map(tuple),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


@given(orientation=orientations, voxels=arrays(np.int16, array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_going_to_canonical_and_back_changes_nothing(orientation, voxels):
    canonical = orientation.to_canonical(voxels)
    assert canonical.flags.c_contiguous
    assert canonical.shape == orientation.canonical_shape(voxels.shape)
    np.testing.assert_array_equal(orientation.from_canonical(canonical), voxels)


@given(orientation=orientations)
def test_every_voxel_keeps_its_place_in_the_patient(orientation):
    voxels = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    canonical, grid = orientation.to_canonical(voxels), orientation.canonical_grid(AFFINE, voxels.shape)
    for z, y, x in np.ndindex(*grid.shape):
        source = np.argwhere(voxels == canonical[z, y, x])[0]
        np.testing.assert_allclose(grid.affine @ (x, y, z, 1), AFFINE @ (*source, 1), atol=1e-9)


def test_a_volume_already_in_order_is_not_copied():
    voxels = np.zeros((2, 3, 4), order="F")
    orientation = Orientation((0, 1, 2), (False, False, False))
    assert np.shares_memory(orientation.to_canonical(voxels), voxels)


@pytest.mark.parametrize("axes", [(0, 1, 1), (0, 1), (1, 2, 3)])
def test_axes_that_are_no_permutation_are_refused(axes):
    with pytest.raises(InvalidInput):
        Orientation(axes, (False, False, False))


def test_a_grid_survives_its_document_bit_by_bit():
    grid = Grid((3, 4, 5), AFFINE)
    back = Grid.from_json(json.loads(json.dumps(grid.to_json())))
    assert back.shape == grid.shape
    assert back.affine.tobytes() == grid.affine.tobytes()
    assert back.matches(grid)


def test_a_grid_cannot_be_changed():
    grid = Grid((3, 4, 5), AFFINE)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 1


def test_spacing_size_and_corners_are_those_of_the_affine():
    grid = Grid((3, 4, 5), np.diag([-2.0, -3, 4, 1]))
    assert grid.spacing == (2, 3, 4)
    assert grid.size == (4, 5)
    corners = grid.corners()
    np.testing.assert_array_equal(corners.min(axis=0), (-9, -10.5, -2))
    np.testing.assert_array_equal(corners.max(axis=0), (1, 1.5, 10))


@pytest.mark.parametrize(
    ("shape", "affine", "code"),
    [
        ((0, 4, 5), AFFINE, ErrorCode.DIMENSIONS_INVALID),
        ((4, 5), AFFINE, ErrorCode.DIMENSIONS_INVALID),
        ((3, 4, 5), np.eye(3), ErrorCode.ORIENTATION_INVALID),
        ((3, 4, 5), np.full((4, 4), np.nan), ErrorCode.ORIENTATION_INVALID),
        ((3, 4, 5), np.ones((4, 4)), ErrorCode.ORIENTATION_INVALID),
        ((3, 4, 5), np.diag([1.0, 0, 1, 1]), ErrorCode.ORIENTATION_INVALID),
        ((3, 4, 5), np.diag([1.0, 1, 1, 2]), ErrorCode.ORIENTATION_INVALID),
    ],
)
def test_a_grid_that_places_no_voxels_is_refused(shape, affine, code):
    with pytest.raises(InvalidInput) as caught:
        Grid(shape, affine)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"shape": [3, 4, 5]},
        {"shape": [3, 4.0, 5], "affine": AFFINE.tolist()},
        {"shape": [3, 4, 5], "affine": [[1, 2], [3]]},
        {"shape": [3, 4, 5], "affine": "eye"},
    ],
    ids=["nothing", "no affine", "fraction", "ragged", "text"],
)
def test_a_document_that_is_no_grid_is_refused(document):
    with pytest.raises(InvalidInput):
        Grid.from_json(document)


def test_grids_of_other_shapes_never_match():
    assert not Grid((3, 4, 5), AFFINE).matches(Grid((3, 4, 6), AFFINE))


def test_the_screen_shows_rows_to_the_back_and_columns_to_the_left():
    voxels = np.zeros((2, 3, 4))
    voxels[1, 0, 3] = 1  # the head end, in front, on the patient's left
    image = display_slice(voxels, 1)
    assert image[0, -1] == 1  # top right: the radiological view
    np.testing.assert_array_equal(from_display(image), voxels[1])


@pytest.mark.parametrize("z", [-1, 2])
def test_a_slice_beyond_the_volume_is_refused(z):
    with pytest.raises(InvalidInput) as caught:
        display_slice(np.zeros((2, 3, 4)), z)
    assert caught.value.code is ErrorCode.SLICE_OUT_OF_RANGE


@pytest.mark.parametrize("axis", ["x", "y", "", "Z"])
def test_only_axial_slices_are_accepted(axis):
    check_slice_axis("z")
    with pytest.raises(InvalidInput) as caught:
        check_slice_axis(axis)
    assert caught.value.code is ErrorCode.SLICE_AXIS_UNSUPPORTED
