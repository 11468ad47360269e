"""Agreement of two people's boxes, against areas counted pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.core.agreement import agreement, area_iou, pairwise
from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.tracks import AnnotationDocument, document_from_boxes, document_from_tracks, link

SHAPE = (12, 20, 20)
EDGES = st.tuples(st.integers(0, 18), st.integers(0, 18), st.integers(1, 20), st.integers(1, 20))
BOXES = st.lists(
    EDGES.map(
        lambda e: Box(min(e[0], e[2] - 1), min(e[1], e[3] - 1), max(e[2], e[0] + 1), max(e[3], e[1] + 1))
    ),
    min_size=1,
    max_size=4,
)


def _drawn(boxes: dict[int, list[Box]], absent: tuple[tuple[int, int], ...] = ()) -> AnnotationDocument:
    return document_from_tracks(SHAPE, link(boxes, source=BoxSource.DRAWN), Intervals(absent))


def _raster(boxes: list[Box]) -> np.ndarray:
    covered = np.zeros(SHAPE[1:], dtype=bool)
    for box in boxes:
        covered[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    return covered


@settings(deadline=None)
@given(BOXES, BOXES)
def test_the_overlap_of_several_boxes_is_that_of_the_pixels_they_cover(
    one: list[Box], other: list[Box]
) -> None:
    a, b = _raster(one), _raster(other)
    assert area_iou(one, other) == pytest.approx((a & b).sum() / (a | b).sum())


def test_fractional_boxes_are_compared_exactly() -> None:
    assert area_iou([Box(0, 0, 1, 1)], [Box(0.5, 0, 1.5, 1)]) == pytest.approx(1 / 3)


def test_two_people_with_the_same_boxes_agree_entirely() -> None:
    boxes = {z: [Box(2, 2, 10, 12)] for z in range(3, 8)}
    one = _drawn(boxes, ((0, 2), (8, 11)))
    found = agreement(one, one)
    assert (found.box_iou, found.presence) == (1.0, 1.0)
    assert (found.first_difference, found.last_difference) == (0, 0)
    assert (found.slices_both, found.slices_decided) == (5, 12)


def test_another_range_is_told_in_slices_and_as_presence() -> None:
    one = _drawn({z: [Box(2, 2, 10, 12)] for z in range(3, 8)}, ((0, 2), (8, 11)))
    other = _drawn({z: [Box(2, 2, 10, 7)] for z in range(5, 9)}, ((0, 3), (9, 11)))
    found = agreement(one, other)
    assert found.box_iou == pytest.approx(0.5)
    assert (found.first_difference, found.last_difference) == (2, 1)
    # Slice 4 is undecided by the other; of the 11 others they differ on 3 and 8.
    assert found.slices_decided == 11
    assert found.presence == pytest.approx(9 / 11)


def test_without_a_common_slice_nothing_is_claimed() -> None:
    one, other = _drawn({3: [Box(0, 0, 4, 4)]}), _drawn({5: [Box(0, 0, 4, 4)]})
    found = agreement(one, other)
    assert np.isnan(found.box_iou)
    assert np.isnan(found.presence)
    empty = document_from_boxes(SHAPE, {}, source=BoxSource.DRAWN)
    assert agreement(one, empty).first_difference is None
    assert agreement(one, other).slices_either == 2


def test_a_score_is_there_even_where_no_slice_is_shared() -> None:
    one, other = _drawn({3: [Box(0, 0, 4, 4)]}), _drawn({3: [Box(0, 0, 4, 2)], 5: [Box(0, 0, 4, 4)]})
    nothing, elsewhere = _drawn({}), _drawn({7: [Box(0, 0, 4, 4)]})
    assert agreement(one, other).box_score == 0.5
    assert agreement(one, elsewhere).box_score == agreement(one, nothing).box_score == 0.0
    assert agreement(nothing, nothing).box_score == 1.0


def test_every_pair_is_compared_once() -> None:
    documents = [_drawn({3: [Box(0, 0, 4, 4 + n)]}) for n in range(3)]
    found = pairwise(documents)
    assert list(found) == [(0, 1), (0, 2), (1, 2)]
    assert found[0, 2].box_iou == pytest.approx(4 / 6)


def test_annotations_of_different_volumes_are_refused() -> None:
    other = document_from_boxes((3, 20, 20), {}, source=BoxSource.DRAWN)
    with pytest.raises(Conflict) as refused:
        agreement(_drawn({}), other)
    assert refused.value.code is ErrorCode.GRID_MISMATCH
