"""Simulated annotators: the paper's rule and the imperfect hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.simulate import (
    Annotator,
    Rule,
    damaged,
    ideal_boxes,
    jitter,
    missed,
    presence_of,
    simulate,
)
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxSource,
    SliceState,
    boxes_by_slice,
    empty_document,
    slice_states,
)
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


def test_the_rule_of_the_released_code_ends_one_voxel_further():
    reference = _mask(np.s_[2:3, 10:14, 20:30])
    assert ideal_boxes(reference, Rule.RELEASED_CODE) == {2: [Box(18, 8, 33, 17)]}
    assert ideal_boxes(reference, Rule.PAPER) == ideal_boxes(reference)


def test_the_rule_of_the_released_code_stays_inside_the_slice():
    reference = _mask(np.s_[0:1, 36:40, 45:50])
    assert ideal_boxes(reference, Rule.RELEASED_CODE) == {0: [Box(43, 34, 50, 40)]}


def test_the_rule_of_the_released_code_merges_boxes_that_meet_and_what_their_hull_reaches():
    # Five voxels apart: two boxes by the paper's rule, one voxel between them, which the longer first box closes.
    reference = _mask(np.s_[0:1, 10:12, 10:12], np.s_[0:1, 10:12, 17:19], np.s_[0:1, 30:32, 40:42])
    assert len(ideal_boxes(reference)[0]) == 3
    assert ideal_boxes(reference, Rule.RELEASED_CODE) == {0: [Box(8, 8, 22, 15), Box(38, 28, 45, 35)]}


def test_the_rule_of_the_released_code_gives_a_ring_one_box():
    reference = _mask(np.s_[0:1, 5:35, 5:40])
    reference[0, 10:30, 10:35] = False
    reference[0, 18:22, 20:25] = True
    assert len(ideal_boxes(reference)[0]) == 2
    assert ideal_boxes(reference, Rule.RELEASED_CODE) == {0: [Box(3, 3, 43, 38)]}


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.1))
def test_boxes_of_the_released_code_never_meet_and_hold_the_paper_s(seed, share):
    mask = np.random.default_rng(seed).random((1, 25, 30)) < share
    paper, code = ideal_boxes(mask).get(0, []), ideal_boxes(mask, Rule.RELEASED_CODE).get(0, [])
    for one in paper:
        assert any(
            big.x0 <= one.x0 and big.y0 <= one.y0 and big.x1 >= one.x1 and big.y1 >= one.y1 for big in code
        )
    for i, one in enumerate(code):
        one.check_inside((25, 30))
        for other in code[:i]:
            assert one.x1 < other.x0 or other.x1 < one.x0 or one.y1 < other.y0 or other.y1 < one.y0


MANY = {z: [Box(5, 5, 15, 15)] for z in range(20)}


def test_missed_ends_are_a_share_of_all_slices_at_each_end():
    assert sorted(missed(MANY, inner=0, ends=0.15, rng=np.random.default_rng(0))) == list(range(3, 17))
    assert missed(MANY, inner=0, ends=0.5, rng=np.random.default_rng(0)) == {}


def test_missed_inner_slices_leave_the_first_and_the_last():
    left = missed(MANY, inner=0.5, ends=0.1, rng=np.random.default_rng(0))
    assert (min(left), max(left), len(left)) == (2, 17, 2 + 7)
    assert left == missed(MANY, inner=0.5, ends=0.1, rng=np.random.default_rng(0))
    assert left != missed(MANY, inner=0.5, ends=0.1, rng=np.random.default_rng(1))
    assert sorted(missed(MANY, inner=1, ends=0, rng=np.random.default_rng(0))) == [0, 19]
    assert missed({}, inner=0.5, ends=0.2, rng=np.random.default_rng(0)) == {}


@pytest.mark.parametrize(("inner", "ends"), [(1.1, 0), (-0.1, 0), (0, 0.6), (float("nan"), 0), (0, -1)])
def test_a_share_that_is_none_is_refused(inner, ends):
    with pytest.raises(InvalidInput) as caught:
        missed(MANY, inner=inner, ends=ends, rng=np.random.default_rng(0))
    assert caught.value.code is ErrorCode.OPTION_INVALID


def _simulated(reference: np.ndarray, **options: object) -> AnnotationDocument:
    return simulate(reference, annotator=Annotator.IDEAL, grid=GRID, rng=np.random.default_rng(0), **options)


def test_missed_slices_are_unknown():
    states = slice_states(_simulated(_mask(np.s_[0:6, 10:20, 10:20]), miss_ends=0.17))
    assert states == (SliceState.UNKNOWN, *[SliceState.DONE] * 4, SliceState.UNKNOWN)


def test_every_second_slice_keeps_the_first_and_the_last_of_each_run_in_one_track():
    reference = _mask(np.s_[0:4, 10:20, 10:20], np.s_[5:6, 10:20, 10:20])
    document = _simulated(reference, every=2)
    assert [(track.first, track.last, sorted(track.keyframes)) for track in document.tracks] == [
        (0, 3, [0, 2, 3]),
        (5, 5, [5]),
    ]
    assert slice_states(document)[1] is SliceState.SUGGESTED
    assert slice_states(document)[4] is SliceState.UNKNOWN
    with pytest.raises(InvalidInput):
        _simulated(reference, every=0)


def test_the_slices_drawn_have_the_same_errors_whatever_is_missed():
    reference = _mask(np.s_[0:6, 10:20, 10:20])
    options = {"annotator": Annotator.CROWD, "grid": GRID}
    whole = boxes_by_slice(simulate(reference, rng=np.random.default_rng(3), **options))
    part = boxes_by_slice(
        simulate(reference, rng=np.random.default_rng(3), miss_inner=0.5, miss_ends=0.17, **options)
    )
    assert 0 < len(part) < len(whole)
    assert all([on.box for on in found] == [on.box for on in whole[z]] for z, found in part.items())


def test_one_box_per_slice_holds_all_regions():
    reference = _mask(np.s_[0:1, 10:12, 10:12], np.s_[0:1, 30:32, 40:42])
    (on_slice,) = boxes_by_slice(_simulated(reference, one_box=True)).values()
    assert [on.box for on in on_slice] == [Box(8, 8, 44, 34)]


def test_a_loose_hand_is_that_many_millimetres_outside_and_a_tight_one_inside():
    reference = _mask(np.s_[0:1, 10:20, 10:30])  # voxels of 2 x 1 mm; the ideal box is 8..32, 8..22

    def box(loose_mm: float) -> Box:
        return boxes_by_slice(_simulated(reference, loose_mm=loose_mm))[0][0].box

    assert box(4.0) == Box(6, 4, 34, 26)
    assert box(-4.0) == Box(10, 12, 30, 18)
    assert box(-100.0).area >= 1


def test_the_holes_of_a_real_annotator_are_stretched_over_the_label():
    presence = [True, False, True, True]
    boxes = {z: [Box(0, 0, 5, 5)] for z in range(10, 18)}
    assert sorted(damaged(boxes, presence)) == [10, 11, 14, 15, 16, 17]
    assert damaged(boxes, []) == boxes
    assert damaged({}, presence) == {}


def test_an_annotator_may_leave_out_what_a_real_one_left_out_of_another_volume():
    other = _simulated(_mask(np.s_[1:2, 10:20, 10:20], np.s_[3:5, 10:20, 10:20]))
    assert presence_of(other) == (True, False, True, True)
    assert presence_of(empty_document((6, 40, 40))) == ()
    document = _simulated(_mask(np.s_[0:4, 10:20, 10:20]), presence=presence_of(other))
    assert sorted(boxes_by_slice(document)) == [0, 2, 3]
    assert slice_states(document)[1] is SliceState.UNKNOWN


@pytest.mark.parametrize("loose_mm", [float("nan"), float("inf"), 1e9, -1e9])
def test_edges_that_would_lie_beyond_the_slice_are_refused(loose_mm):
    with pytest.raises(InvalidInput, match="mm"):
        _simulated(_mask(np.s_[0:4, 10:20, 10:20]), loose_mm=loose_mm)
