"""Which boxes follow from those that are there, and which ends stay open."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.completion import OpenEnd, filled, open_ends
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.keyframes import BoxSource, Keyframe, Track
from crowdmask.core.tracks import (
    AnnotationDocument,
    SliceState,
    document_from_boxes,
    document_from_tracks,
    slice_states,
)

SHAPE = (12, 40, 50)
ONE = Box(10, 10, 20, 20)
FAR = Box(30, 25, 40, 35)


def _drawn(boxes: Mapping[int, Sequence[Box]], absent: Intervals | None = None) -> AnnotationDocument:
    document = document_from_boxes(SHAPE, boxes, source=BoxSource.DRAWN)
    return document_from_tracks(SHAPE, document.tracks, absent or Intervals())


def _boxes(document: AnnotationDocument) -> dict[int, list[Box]]:
    return {z: [entry.box for entry in on_slice] for z, on_slice in filled(document).items()}


def _ends(document: AnnotationDocument) -> list[tuple[int, int, int, int]]:
    return [(end.slice, end.step, end.room, len(end.boxes)) for end in open_ends(document)]


def test_a_hole_is_filled_by_boxes_linear_in_the_edges():
    document = _drawn({2: [Box(10, 10, 20, 20)], 6: [Box(14, 10, 28, 20)]})
    assert _boxes(document) == {
        3: [Box(11, 10, 22, 20)],
        4: [Box(12, 10, 24, 20)],
        5: [Box(13, 10, 26, 20)],
    }
    (added,) = filled(document)[4]
    assert (added.source, added.confirmed, added.track_id) == (BoxSource.INTERPOLATED, False, "t1")
    assert _ends(document) == [(2, -1, 2, 1), (6, 1, 5, 1)]


def test_nothing_is_filled_across_a_slice_marked_absent_and_both_sides_stay_open_up_to_it():
    document = _drawn({2: [ONE], 7: [ONE]}, Intervals(((5, 5),)))
    assert filled(document) == {}
    assert _ends(document) == [(2, -1, 2, 1), (2, 1, 2, 1), (7, -1, 1, 1), (7, 1, 4, 1)]


def test_no_end_is_open_at_the_border_of_the_volume_or_beside_an_absent_slice():
    document = _drawn({0: [ONE], 1: [ONE]}, Intervals(((2, 11),)))
    assert open_ends(document) == []
    assert open_ends(document_from_tracks(SHAPE, [])) == []
    assert filled(document_from_tracks(SHAPE, [])) == {}


def test_the_boxes_that_overlap_most_are_joined_over_a_hole_whatever_their_order():
    document = _drawn({2: [ONE, FAR], 4: [FAR, ONE]})
    assert sorted(_boxes(document)[3]) == [ONE, FAR]
    assert _ends(document) == [(2, -1, 2, 2), (4, 1, 7, 2)]


def test_boxes_that_do_not_overlap_are_not_joined_and_stay_open():
    document = _drawn({2: [ONE], 5: [FAR]})
    assert filled(document) == {}
    assert _ends(document) == [(2, -1, 2, 1), (2, 1, 2, 1), (5, -1, 2, 1), (5, 1, 6, 1)]


def test_where_a_piece_splits_both_parts_are_joined_to_it():
    whole, left, right = Box(10, 10, 40, 20), Box(10, 10, 20, 20), Box(32, 10, 40, 20)
    document = _drawn({2: [whole], 4: [left, right]})
    assert sorted(_boxes(document)[3]) == [Box(10, 10, 30, 20), Box(21, 10, 40, 20)]
    assert _ends(document) == [(2, -1, 2, 1), (4, 1, 7, 2)]
    joining = _drawn({2: [left, right], 4: [whole]})
    assert sorted(_boxes(joining)[3]) == [Box(10, 10, 30, 20), Box(21, 10, 40, 20)]


def test_a_neighbour_that_overlaps_a_little_is_no_part_of_a_piece():
    neighbour = Box(18, 10, 28, 20)
    document = _drawn({2: [ONE], 4: [ONE, neighbour]})
    assert _boxes(document) == {3: [ONE]}
    assert _ends(document) == [(2, -1, 2, 1), (4, -1, 1, 1), (4, 1, 7, 2)]
    assert open_ends(document)[1].boxes[0].box == neighbour


def test_a_piece_that_ends_where_another_goes_on_is_not_continued_there():
    """The slice is known: somebody looked at it and drew one box."""
    document = _drawn({2: [ONE, FAR], 3: [ONE]})
    assert filled(document) == {}
    assert _ends(document) == [(2, -1, 2, 2), (3, 1, 8, 1)]


def test_a_track_covers_the_slices_between_its_keyframes():
    keyframes = {2: Keyframe(ONE, BoxSource.DRAWN), 8: Keyframe(ONE, BoxSource.DRAWN)}
    document = document_from_tracks(SHAPE, [Track("a", 1, 9, keyframes)])
    assert filled(document) == {}
    assert _ends(document) == [(1, -1, 1, 1), (9, 1, 2, 1)]


@st.composite
def _documents(draw: st.DrawFn) -> AnnotationDocument:
    boxes: dict[int, list[Box]] = {}
    absent = []
    for z in range(SHAPE[0]):
        kind = draw(st.sampled_from(["unknown", "unknown", "box", "boxes", "absent"]))
        if kind == "absent":
            absent.append(z)
        for _ in range({"box": 1, "boxes": 2}.get(kind, 0)):
            x, y = draw(st.integers(0, 30)), draw(st.integers(0, 30))
            boxes.setdefault(z, []).append(Box(x, y, x + draw(st.integers(1, 20)), y + 9))
    return _drawn(boxes, Intervals.from_slices(absent))


@given(_documents())
def test_completion_stays_on_unknown_slices_inside_the_slice(document):
    states = slice_states(document)
    for z, on_slice in filled(document).items():
        assert states[z] is SliceState.UNKNOWN
        for entry in on_slice:
            entry.box.check_inside(SHAPE[1:])
    for end in open_ends(document):
        beyond = [end.slice + end.step * n for n in range(1, end.room + 1)]
        assert all(states[z] is SliceState.UNKNOWN for z in beyond)
        after = end.slice + end.step * (end.room + 1)
        assert not 0 <= after < SHAPE[0] or states[after] is not SliceState.UNKNOWN


@pytest.mark.parametrize("step", [1, -1])
def test_an_end_names_the_boxes_that_nothing_continues(step):
    document = _drawn({5: [ONE, FAR], 5 + 3 * step: [ONE]})
    ends = {(end.slice, end.step): end for end in open_ends(document)}
    end = ends[5, step]
    assert isinstance(end, OpenEnd)
    assert [entry.box for entry in end.boxes] == [FAR]
