"""The median of several people's boxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.consensus import median_document
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxSource,
    SliceState,
    boxes_by_slice,
    document_from_tracks,
    empty_document,
    link,
    slice_states,
)

SHAPE = (5, 40, 50)


def person(
    boxes: dict[int, list[Box]], *, absent: Intervals | None = None, source: BoxSource = BoxSource.DRAWN
) -> AnnotationDocument:
    """Slices without a box are absent unless told otherwise."""
    if absent is None:
        absent = Intervals.from_slices(z for z in range(SHAPE[0]) if z not in boxes)
    return document_from_tracks(SHAPE, link(boxes, source=source), absent=absent)


def drawn(document: AnnotationDocument) -> dict[int, list[Box]]:
    return {z: [entry.box for entry in on_slice] for z, on_slice in boxes_by_slice(document).items()}


def test_one_bad_annotator_of_three_does_not_move_the_box() -> None:
    people = [person({2: [box]}) for box in (Box(10, 10, 20, 20), Box(11, 9, 21, 21), Box(0, 0, 50, 40))]
    made = median_document(people)
    assert drawn(made) == {2: [Box(10, 9, 21, 21)]}
    assert {entry.source for entry in boxes_by_slice(made)[2]} == {BoxSource.CONSENSUS}
    states = slice_states(made)
    assert states[2] is SliceState.DONE
    assert set(states[:2] + states[3:]) == {SliceState.ABSENT}


def test_a_slice_holds_the_label_when_half_of_those_who_decided_it_say_so() -> None:
    box = Box(10, 10, 20, 20)
    here, nowhere = person({1: [box], 2: [box]}), person({2: [box]})
    assert sorted(drawn(median_document([here, nowhere]))) == [1, 2]
    assert sorted(drawn(median_document([here, nowhere, nowhere]))) == [2]


def test_who_has_not_decided_a_slice_has_no_say_about_it_and_a_slice_of_nobody_stays_unknown() -> None:
    box = Box(10, 10, 20, 20)
    partial = person({2: [box]}, absent=NO_SLICES)
    other = person({3: [box]}, absent=Intervals(((0, 1),)))
    made = median_document([partial, other])
    assert sorted(drawn(made)) == [2, 3]
    assert slice_states(made)[4] is SliceState.UNKNOWN
    assert slice_states(made)[0] is SliceState.ABSENT


def test_what_nobody_confirmed_has_no_say_when_only_confirmed_slices_count() -> None:
    box = Box(10, 10, 20, 20)
    suggested = person({1: [box]}, source=BoxSource.INTERPOLATED)
    absent = person({})
    assert sorted(drawn(median_document([suggested, absent]))) == [1]
    assert drawn(median_document([suggested, absent], confirmed_only=True)) == {}


def test_two_pieces_stay_two_boxes_and_a_box_around_both_is_outvoted() -> None:
    left, right = Box(0, 0, 10, 10), Box(30, 0, 40, 10)
    people = [person({0: [left, right]}), person({0: [left, right]}), person({0: [Box(0, 0, 5, 5)]})]
    assert drawn(median_document(people))[0] == [Box(0, 0, 10, 10), right]


def test_a_piece_that_one_of_three_saw_is_left_out() -> None:
    box, seen_by_one = Box(0, 0, 10, 10), Box(30, 0, 40, 10)
    people = [person({0: [box]}), person({0: [box, seen_by_one]}), person({0: [box]})]
    assert drawn(median_document(people))[0] == [box]


def test_where_people_box_different_places_the_larger_box_stands() -> None:
    small, large, third = Box(0, 0, 5, 5), Box(20, 20, 40, 40), Box(45, 0, 50, 6)
    assert drawn(median_document([person({0: [box]}) for box in (small, large, third)]))[0] == [large]


def test_annotations_of_different_volumes_have_no_median_nor_has_none() -> None:
    with pytest.raises(Conflict) as refused:
        median_document([person({}), empty_document((4, 40, 50))])
    assert refused.value.code is ErrorCode.GRID_MISMATCH
    with pytest.raises(InvalidInput):
        median_document([])


@st.composite
def people_with_a_box_each(draw: st.DrawFn) -> list[AnnotationDocument]:
    def box() -> Box:
        x0, y0 = draw(st.integers(0, 40)), draw(st.integers(0, 30))
        return Box(x0, y0, x0 + draw(st.integers(1, 50 - x0)), y0 + draw(st.integers(1, 40 - y0)))

    return [person({0: [box()]}) for _ in range(draw(st.integers(1, 5)))]


@given(people_with_a_box_each(), st.data())
def test_the_order_of_the_people_changes_nothing_and_every_box_is_within_the_drawn_ones(
    people: list[AnnotationDocument], data: st.DataObject
) -> None:
    made = drawn(median_document(people))
    reordered = data.draw(st.permutations(people))
    again = drawn(median_document(reordered))
    assert sorted(box.values for box in made[0]) == sorted(box.values for box in again[0])
    edges = [box.values for document in people for box in drawn(document)[0]]
    for box in made[0]:
        for at in range(4):
            assert min(edge[at] for edge in edges) <= box.values[at] <= max(edge[at] for edge in edges)


def test_the_median_of_one_person_is_what_the_person_drew() -> None:
    boxes = {1: [Box(1, 2, 30, 20)], 2: [Box(1, 2, 31, 20.5)]}
    assert drawn(median_document([person(boxes)])) == boxes
