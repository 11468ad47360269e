"""Box maths."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box, interpolate

boxes = st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.5, 60), st.floats(0.5, 60)).map(
    lambda v: Box(v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@pytest.mark.parametrize(
    "values",
    [
        (0, 0, 0, 5),
        (0, 0, 5, 0),
        (5, 0, 4, 5),
        (0, 5, 5, 4),
        (math.nan, 0, 5, 5),
        (0, 0, math.inf, 5),
        (0, 0, 5),
        (0, 0, 5, 5, 5),
        ("0", 0, 5, 5),
        (True, 0, 5, 5),
        (0, 0, 10**400, 5),
    ],
)
def test_what_is_no_box_is_refused(values):
    with pytest.raises(InvalidInput) as refused:
        Box.from_values(values)
    assert refused.value.code is ErrorCode.BOX_INVALID


@pytest.mark.parametrize(
    "values", [(-1, 0, 5, 5), (0, -0.5, 5, 5), (0, 0, 61, 5), (0, 0, 5, 50.5), (0, 0, 1e308, 5)]
)
def test_a_box_that_leaves_the_slice_is_refused(values):
    with pytest.raises(InvalidInput, match="60 x 50") as refused:
        Box.from_values(values).check_inside((50, 60))
    assert refused.value.code is ErrorCode.BOX_INVALID


def test_a_box_may_fill_the_slice():
    Box(0, 0, 60, 50).check_inside((50, 60))


def test_intersection_over_union_counts_half_open_edges():
    assert Box(0, 0, 2, 2).iou(Box(1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert Box(0, 0, 2, 2).iou(Box(2, 0, 4, 2)) == 0


def test_interpolation_is_linear_and_not_rounded():
    assert interpolate(Box(0, 0, 10, 10), Box(3, 6, 20, 10), 1 / 4) == Box(0.75, 1.5, 12.5, 10)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_at_most_one(one, other):
    assert one.iou(other) == pytest.approx(other.iou(one))
    assert 0 <= one.iou(other) <= 1 + 1e-9
    assert one.iou(one) == pytest.approx(1)


@given(boxes, boxes, st.floats(0, 1))
def test_an_interpolated_box_lies_in_the_hull_of_both(one, other, share):
    found = interpolate(one, other, share)
    assert found.x0 >= min(one.x0, other.x0) - 1e-9
    assert found.x1 <= max(one.x1, other.x1) + 1e-9
    assert found.width >= min(one.width, other.width) - 1e-9
