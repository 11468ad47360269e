"""Simulated annotators: the paper's rule and the imperfect hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.simulate import Annotator, ideal_boxes, jitter, simulate
from crowdmask.core.tracks import BoxSource, SliceState, boxes_by_slice, slice_states
from crowdmask.core.volume import Grid

SHAPE = (6, 40, 50)
GRID = Grid(SHAPE, np.diag([-2.0, -1.0, 3.0, 1.0]))


def _mask(*blocks: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    for block in blocks:
        mask[block] = True
    return mask


def test_an_ideal_box_is_two_voxels_larger_on_each_side():
    boxes = ideal_boxes(_mask(np.s_[2:3, 10:14, 20:30]))
    assert boxes == {2: [Box(18, 8, 32, 16)]}


def test_an_ideal_box_at_the_edge_is_clipped_to_the_slice():
    boxes = ideal_boxes(_mask(np.s_[0:1, 0:3, 45:50], np.s_[5:6, 38:40, 0:1]))
    assert boxes == {0: [Box(43, 0, 50, 5)], 5: [Box(0, 36, 3, 40)]}


def test_a_single_voxel_gets_a_box():
    assert ideal_boxes(_mask(np.s_[1:2, 20:21, 20:21])) == {1: [Box(18, 18, 23, 23)]}


def test_regions_four_voxels_apart_share_a_box_and_five_apart_do_not():
    near = ideal_boxes(_mask(np.s_[0:1, 10:12, 10:12], np.s_[0:1, 10:12, 16:18]))
    assert near == {0: [Box(8, 8, 20, 14)]}
    far = ideal_boxes(_mask(np.s_[0:1, 10:12, 10:12], np.s_[0:1, 10:12, 17:19]))
    assert far == {0: [Box(8, 8, 14, 14), Box(15, 8, 21, 14)]}


def test_regions_that_touch_at_a_corner_are_one():
    boxes = ideal_boxes(_mask(np.s_[0:1, 10:12, 10:12], np.s_[0:1, 16:18, 16:18]))
    assert len(boxes[0]) == 1


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.2))
def test_the_rule_is_a_growth_by_two_voxels(seed, share):
    mask = np.random.default_rng(seed).random((1, 25, 30)) < share
    grown = ndimage.binary_dilation(mask[0], np.ones((5, 5)))
    regions, count = ndimage.label(grown, np.ones((3, 3)))
    expected = [Box(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(regions)]
    assert ideal_boxes(mask) == ({0: expected} if count else {})


def test_jitter_is_reproducible_and_keeps_every_box():
    boxes = {1: [Box(10, 10, 20, 20), Box(30, 5, 40, 12)], 4: [Box(0, 0, 5, 5)]}
    options = {"jitter_mm": 3.0, "spacing": (1.0, 1.0, 3.0), "size": (40, 50)}
    first = jitter(boxes, rng=np.random.default_rng(1), **options)
    assert first == jitter(boxes, rng=np.random.default_rng(1), **options)
    assert first != jitter(boxes, rng=np.random.default_rng(2), **options)
    assert {z: len(on_slice) for z, on_slice in first.items()} == {1: 2, 4: 1}


def test_jitter_is_measured_in_millimetres_along_each_axis():
    boxes = {z: [Box(200, 200, 300, 300)] for z in range(4000)}
    moved = jitter(
        boxes, jitter_mm=6.0, spacing=(2.0, 1.0, 3.0), size=(500, 500), rng=np.random.default_rng(0)
    )
    errors = np.array([on_slice[0].values for on_slice in moved.values()]) - (200, 200, 300, 300)
    assert errors.mean(axis=0) == pytest.approx([0, 0, 0, 0], abs=0.3)
    assert errors.std(axis=0) == pytest.approx([3.0, 6.0, 3.0, 6.0], rel=0.05)
    assert abs(np.corrcoef(errors, rowvar=False)[np.triu_indices(4, 1)]).max() < 0.06


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 10),
    st.integers(0, 9),
    st.integers(0, 7),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_a_jittered_box_is_never_empty_and_never_leaves_the_slice(seed, jitter_mm, x, y, width, height):
    box = Box(x, y, min(x + width, 10), min(y + height, 8))
    moved = jitter(
        {0: [box]},
        jitter_mm=jitter_mm,
        spacing=(0.7, 1.3, 5.0),
        size=(8, 10),
        rng=np.random.default_rng(seed),
    )
    (result,) = moved[0]
    result.check_inside((8, 10))
    assert all(value == int(value) for value in result.values)
    assert result.area >= 1


def test_no_jitter_changes_nothing():
    boxes = {0: [Box(1, 2, 3, 4)]}
    same = jitter(boxes, jitter_mm=0.0, spacing=(1.0, 1.0, 1.0), size=(8, 8), rng=np.random.default_rng(0))
    assert same == boxes


@pytest.mark.parametrize("jitter_mm", [-1.0, float("nan"), float("inf"), 1e300, 24.5])
def test_a_jitter_that_is_no_deviation_or_larger_than_the_slice_is_refused(jitter_mm):
    options = {"spacing": (2.0, 3.0, 1.0), "size": (8, 10), "rng": np.random.default_rng(0)}
    with pytest.raises(InvalidInput, match=r"20 x 24 mm") as caught:
        jitter({}, jitter_mm=jitter_mm, **options)
    assert caught.value.code is ErrorCode.OPTION_INVALID
    assert f"{jitter_mm:g} mm" in caught.value.message
    assert jitter({}, jitter_mm=24.0, **options) == {}


def test_a_simulated_annotation_has_a_track_per_run_and_no_absent_slice():
    reference = _mask(np.s_[0:2, 10:20, 10:20], np.s_[4:6, 10:20, 10:20])
    document = simulate(reference, annotator=Annotator.IDEAL, grid=GRID, rng=np.random.default_rng(0))
    assert [(track.first, track.last) for track in document.tracks] == [(0, 1), (4, 5)]
    for track in document.tracks:
        assert sorted(track.keyframes) == list(range(track.first, track.last + 1))
        assert {keyframe.source for keyframe in track.keyframes.values()} == {BoxSource.SIMULATED}
    assert not document.absent
    states = slice_states(document)
    assert states == (
        SliceState.DONE,
        SliceState.DONE,
        SliceState.UNKNOWN,
        SliceState.UNKNOWN,
        SliceState.DONE,
        SliceState.DONE,
    )


def test_the_ideal_annotator_ignores_jitter_and_seed_and_the_crowd_does_not():
    reference = _mask(np.s_[0:6, 10:20, 10:20])

    def boxes(annotator: Annotator, seed: int, jitter_mm: float) -> list[Box]:
        document = simulate(
            reference,
            annotator=annotator,
            grid=GRID,
            rng=np.random.default_rng(seed),
            jitter_mm=jitter_mm,
        )
        return [box.box for on_slice in boxes_by_slice(document).values() for box in on_slice]

    assert boxes(Annotator.IDEAL, 0, 2.3) == boxes(Annotator.IDEAL, 5, 9.0)
    assert boxes(Annotator.CROWD, 0, 2.3) == boxes(Annotator.CROWD, 0, 2.3)
    assert boxes(Annotator.CROWD, 0, 2.3) != boxes(Annotator.CROWD, 1, 2.3)
    assert boxes(Annotator.CROWD, 0, 0.0) == boxes(Annotator.IDEAL, 0, 0.0)


def test_an_empty_reference_gives_an_empty_annotation():
    document = simulate(
        np.zeros(SHAPE, dtype=bool), annotator=Annotator.CROWD, grid=GRID, rng=np.random.default_rng(0)
    )
    assert document.tracks == ()
