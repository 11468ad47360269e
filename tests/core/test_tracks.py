"""Tracks, documents and what follows from them."""

import json

import pytest

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxSource,
    Keyframe,
    SliceState,
    Track,
    boxes_by_slice,
    document_from_tracks,
    empty_document,
    slice_states,
)

SHAPE = (30, 50, 60)


def drawn(*values: float) -> Keyframe:
    return Keyframe(Box(*values), BoxSource.DRAWN)


def simple(name: str = "a", first: int = 10, last: int = 20) -> Track:
    """Keyframes on 12 and 16, so that both ends hold."""
    return Track(name, first, last, {16: drawn(8, 4, 18, 24), 12: drawn(0, 0, 10, 10)})


def test_boxes_are_linear_between_keyframes_and_hold_outside():
    track = simple()
    assert track.box_at(13) == Box(2, 1, 12, 13.5)
    assert track.box_at(10) == track.box_at(12) == Box(0, 0, 10, 10)
    assert track.box_at(20) == track.box_at(16) == Box(8, 4, 18, 24)


@pytest.mark.parametrize("z", [9, 21, -1])
def test_a_track_has_no_box_beyond_its_ends(z):
    with pytest.raises(InvalidInput) as refused:
        simple().box_at(z)
    assert refused.value.code is ErrorCode.SLICE_OUT_OF_RANGE


def test_only_keyframes_that_a_person_made_count_as_drawn():
    made = {source for source in BoxSource if source.is_person_made}
    assert set(BoxSource) - made == {BoxSource.INTERPOLATED, BoxSource.PROPAGATED}


def test_the_states_of_slices_follow_from_tracks_and_marks():
    track = Track(
        "a",
        2,
        6,
        {2: drawn(0, 0, 5, 5), 6: Keyframe(Box(0, 0, 5, 5), BoxSource.PROPAGATED)},
        Intervals(((4, 4),)),
    )
    document = document_from_tracks((9, 50, 60), [track], Intervals(((8, 8),)))
    u, s, d, a = SliceState.UNKNOWN, SliceState.SUGGESTED, SliceState.DONE, SliceState.ABSENT
    assert slice_states(document) == (u, u, d, s, d, s, s, u, a)


def test_a_slice_with_two_pieces_is_suggested_until_both_are_done():
    one = Track("a", 1, 1, {1: drawn(0, 0, 5, 5)})
    other = Track("b", 1, 1, {1: Keyframe(Box(10, 0, 15, 5), BoxSource.INTERPOLATED)})
    for tracks in ([one, other], [other, one]):
        assert slice_states(document_from_tracks((2, 50, 60), tracks))[1] is SliceState.SUGGESTED


def test_boxes_by_slice_say_where_each_came_from():
    track = Track("a", 3, 5, {3: drawn(0, 0, 5, 5)}, Intervals(((4, 4),)))
    found = boxes_by_slice(document_from_tracks(SHAPE, [track]))
    assert list(found) == [3, 4, 5]
    assert [(box.source.value, box.confirmed) for on_slice in found.values() for box in on_slice] == [
        ("drawn", False),
        ("interpolated", True),
        ("interpolated", False),
    ]


def test_a_cut_keeps_the_boxes_and_confirmations_of_what_remains():
    track = Track("a", 10, 20, simple().keyframes, Intervals(((11, 14),)))
    part = track.cut(13, 18)
    assert all(part.box_at(z) == track.box_at(z) for z in range(13, 19))
    assert part.keyframes[13].source is BoxSource.INTERPOLATED
    assert part.confirmed == Intervals(((13, 14),))
    assert sorted(part.keyframes) == [13, 16]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"first": 5, "last": 4}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"first": -1}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"first": 13}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"last": 15}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"keyframes": {}}, ErrorCode.OPERATION_INVALID),
        ({"confirmed": Intervals(((9, 12),))}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"id": ""}, ErrorCode.OPERATION_INVALID),
        ({"id": "x" * 49}, ErrorCode.OPERATION_INVALID),
        ({"id": "a b"}, ErrorCode.OPERATION_INVALID),
        ({"id": "a\n"}, ErrorCode.OPERATION_INVALID),
        ({"id": "../a"}, ErrorCode.OPERATION_INVALID),
    ],
)
def test_an_invalid_track_cannot_be_made(change, code):
    given = {"id": "a", "first": 10, "last": 20, "keyframes": simple().keyframes, "confirmed": NO_SLICES}
    with pytest.raises(InvalidInput) as refused:
        Track(**{**given, **change})
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"shape": (30, 50, 0)}, ErrorCode.OPERATION_INVALID),
        ({"shape": (30, 50)}, ErrorCode.OPERATION_INVALID),
        ({"tracks": (simple(), simple())}, ErrorCode.OPERATION_INVALID),
        ({"tracks": (simple(last=30),)}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"tracks": (Track("a", 1, 1, {1: drawn(0, 0, 61, 5)}),)}, ErrorCode.BOX_INVALID),
        ({"tracks": (Track("a", 1, 1, {1: drawn(-1, 0, 6, 5)}),)}, ErrorCode.BOX_INVALID),
        ({"tracks": (Track("a", 1, 1, {1: drawn(0, 0, 1e308, 5)}),)}, ErrorCode.BOX_INVALID),
        ({"tracks": (Track("a", 1, 1, {1: drawn(0, 0, 0.4, 5)}),)}, ErrorCode.BOX_INVALID),
        ({"tracks": (simple(),), "absent": Intervals(((0, 10),))}, ErrorCode.OPERATION_INVALID),
        ({"absent": Intervals(((29, 30),))}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"beyond": Intervals(((2, 3),))}, ErrorCode.OPERATION_INVALID),
        ({"label_range": (3, 2)}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"label_range": (3, 30)}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"not_in_volume": True}, ErrorCode.OPERATION_INVALID),
        ({"absent": Intervals(((0, 28),)), "not_in_volume": True}, ErrorCode.OPERATION_INVALID),
        ({"tracks": (simple(),), "label_range": (11, 20)}, ErrorCode.OPERATION_INVALID),
        ({"tracks": (simple(),), "label_range": (10, 19)}, ErrorCode.OPERATION_INVALID),
    ],
)
def test_an_invalid_document_cannot_be_made(fields, code):
    with pytest.raises(InvalidInput) as refused:
        AnnotationDocument(**{"shape": SHAPE, **fields})
    assert refused.value.code is code


def test_marks_on_every_slice_are_not_the_answer_that_the_label_is_not_in_the_volume():
    marked = document_from_tracks(SHAPE, [], Intervals(((0, 29),)))
    assert (marked.absent_everywhere, marked.not_in_volume) == (True, False)
    assert not empty_document(SHAPE).absent_everywhere


def test_a_document_holds_ten_thousand_boxes_and_no_more():
    full = {z: drawn(0, 0, 5, 5) for z in range(10_000)}
    document_from_tracks((20_000, 50, 60), [Track("a", 0, 9_999, full)])
    with pytest.raises(InvalidInput, match="10001 boxes are more than the 10000") as refused:
        document_from_tracks((20_000, 50, 60), [Track("a", 0, 10_000, {**full, 10_000: drawn(0, 0, 5, 5)})])
    assert refused.value.code is ErrorCode.OPERATION_INVALID


def test_a_document_holds_two_thousand_tracks_and_no_more():
    tracks = [Track(f"t{n}", 1, 1, {1: drawn(0, 0, 5, 5)}) for n in range(2_001)]
    document_from_tracks(SHAPE, tracks[1:])
    with pytest.raises(InvalidInput, match="2001 tracks are more than the 2000"):
        document_from_tracks(SHAPE, tracks)


def test_equal_documents_have_equal_json_however_they_were_made():
    one = Track("a", 1, 9, {2: drawn(0, 0, 5, 5), 9: drawn(1, 1, 5, 5)})
    other = Track("a", 1, 9, {9: drawn(1.0, 1, 5, 5), 2: drawn(0, 0.0, 5, 5)})
    texts = {json.dumps(document_from_tracks(SHAPE, [track]).to_json()) for track in (one, other)}
    assert len(texts) == 1
    assert '"box": [0, 0, 5, 5]' in texts.pop()
    assert one == other


def test_a_document_comes_back_from_json_as_it_was():
    track = Track("a/7", 10, 20, simple().keyframes, Intervals(((11, 14),)))
    document = AnnotationDocument(
        SHAPE, (simple("b"), track), Intervals(((0, 2), (25, 29))), Intervals(((25, 29),)), (3, 24)
    )
    assert AnnotationDocument.from_json(json.loads(json.dumps(document.to_json()))) == document
    assert AnnotationDocument.from_json(empty_document(SHAPE).to_json()) == empty_document(SHAPE)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"shape": [30, 50]}, "document.shape"),
        ({"shape": [30, 50, 60.0]}, "document.shape[2]"),
        ({"shape": [30, 50, True]}, "document.shape[2]"),
        ({"tracks": {}}, "document.tracks"),
        ({"absent": [[3, 2]]}, "document.absent[0]"),
        ({"absent": [[3, 4, 5]]}, "document.absent[0]"),
        ({"not_in_volume": 0}, "document.not_in_volume"),
        ({"label_range": "all"}, "document.label_range"),
        ({"colour": "red"}, "document"),
    ],
)
def test_stored_json_of_another_form_is_refused_at_its_place(change, place):
    with pytest.raises(InvalidInput) as refused:
        AnnotationDocument.from_json({**empty_document(SHAPE).to_json(), **change})
    assert refused.value.message.startswith(place + " ")
