"""Operations: every rule, the shared vectors, and random sequences."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.operations import (
    MAX_OPERATIONS,
    AddTrack,
    ClearAbsent,
    Confirm,
    DeleteKeyframe,
    DeleteTrack,
    MarkAbsent,
    MarkNotInVolume,
    Operation,
    ReplaceDocument,
    SetKeyframe,
    SetLabelRange,
    SetTrackRange,
    apply,
    apply_all,
    operation_from_json,
    operations_from_json,
)
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxSource,
    Keyframe,
    SliceState,
    boxes_by_slice,
    empty_document,
    runs,
    slice_states,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "operations.json").read_text())["vectors"]
SHAPE = (20, 40, 50)


def kf(x0: float, source: BoxSource = BoxSource.DRAWN) -> Keyframe:
    return Keyframe(Box(x0, 3, x0 + 10, 13), source)


def add(track: str, first: int, last: int, **x0: float) -> AddTrack:
    """``z4=7`` puts a drawn box at x0 = 7 on slice 4."""
    return AddTrack(track, first, last, {int(z[1:]): kf(x) for z, x in x0.items()})


def after(*operations: Operation) -> AnnotationDocument:
    return apply_all(empty_document(SHAPE), operations)


def boxes(document: AnnotationDocument) -> dict[int, list[Box]]:
    return {z: [on.box for on in on_slice] for z, on_slice in boxes_by_slice(document).items()}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_vector_gives_what_it_says(vector):
    document = AnnotationDocument.from_json(vector["document"])
    if "error" in vector:
        with pytest.raises(InvalidInput) as refused:
            apply_all(document, operations_from_json(vector["operations"]))
        assert refused.value.code.value == vector["error"]
        return
    operations = operations_from_json(vector["operations"])
    made = apply_all(document, operations)
    assert made.to_json() == vector["expected"]
    assert [[state.value, first, last] for state, first, last in runs(slice_states(made))] == vector["states"]
    assert [operation.to_json() for operation in operations] == vector["operations"]


def test_the_vectors_use_every_operation_and_error():
    used = {operation["op"] for vector in VECTORS for operation in vector["operations"]}
    assert {kind.op for kind in Operation.__args__} <= used
    assert {vector.get("error") for vector in VECTORS} >= {
        "box_invalid",
        "slice_out_of_range",
        "track_unknown",
        "operation_invalid",
    }


def test_marking_absent_in_the_middle_splits_a_track_and_leaves_the_rest_as_it_was():
    before = after(add("a", 2, 12, z2=0, z12=10), Confirm("a", 3, 11))
    split = apply(before, MarkAbsent(6, 7))
    assert [(track.id, track.first, track.last) for track in split.tracks] == [("a", 2, 5), ("a/8", 8, 12)]
    assert [sorted(track.keyframes) for track in split.tracks] == [[2, 5], [8, 12]]
    assert split.tracks[0].keyframes[5].source is BoxSource.INTERPOLATED
    assert boxes(split) == {z: found for z, found in boxes(before).items() if z not in (6, 7)}
    assert list(split.tracks[0].confirmed) == [3, 4, 5]
    assert list(split.tracks[1].confirmed) == [8, 9, 10, 11]


def test_a_second_part_never_takes_a_name_that_is_used():
    again = after(
        add("a", 2, 12, z2=0),
        MarkAbsent(6, 6),
        SetTrackRange("a", 2, 12),
        SetTrackRange("a/7", 9, 12),
        MarkAbsent(6, 6),
    )
    assert [(track.id, track.first) for track in again.tracks] == [("a", 2), ("a/7/2", 7), ("a/7", 9)]


def test_marking_a_whole_track_absent_removes_it():
    assert not after(add("a", 4, 6, z4=0), MarkAbsent(3, 7)).tracks


def test_the_first_part_is_gone_and_the_second_keeps_the_name():
    assert [track.id for track in after(add("a", 4, 9, z4=0), MarkAbsent(3, 7)).tracks] == ["a"]


def test_drawing_clears_the_marks_it_covers_and_no_others():
    document = after(MarkAbsent(0, 9), add("a", 4, 6, z5=0))
    assert document.absent.ranges == ((0, 3), (7, 9))
    longer = apply(document, SetKeyframe("a", 8, Box(0, 0, 5, 5), BoxSource.DRAWN))
    assert (longer.tracks[0].last, longer.absent.ranges) == (8, ((0, 3), (9, 9)))
    assert apply(longer, SetTrackRange("a", 2, 9)).absent.ranges == ((0, 1),)


def test_a_new_label_range_replaces_the_marks_of_the_earlier_one_and_no_others():
    document = after(MarkAbsent(2, 3), MarkAbsent(18, 18), SetLabelRange(5, 15))
    assert document.absent.ranges == ((0, 4), (16, 19))
    wider = apply(document, SetLabelRange(1, 17))
    assert wider.absent.ranges == ((0, 0), (2, 3), (18, 19))
    assert wider.label_range == (1, 17)


def test_a_mark_set_by_hand_beyond_the_range_outlives_the_range():
    document = after(SetLabelRange(5, 15), MarkAbsent(17, 18), SetLabelRange(0, 19))
    assert document.absent.ranges == ((17, 18),)


def test_a_label_range_cuts_tracks_at_both_ends():
    before = after(add("a", 2, 12, z2=0, z12=10))
    document = apply(before, SetLabelRange(4, 9))
    assert (document.tracks[0].first, document.tracks[0].last) == (4, 9)
    assert boxes(document) == {z: found for z, found in boxes(before).items() if 4 <= z <= 9}


def test_moving_a_keyframe_unconfirms_exactly_the_boxes_that_changed():
    document = after(add("a", 0, 12, z0=0, z4=0, z8=0, z12=0), Confirm("a", 0, 12))
    moved = apply(document, SetKeyframe("a", 4, kf(6).box, BoxSource.EDITED))
    assert list(moved.tracks[0].confirmed) == [0, 8, 9, 10, 11, 12]


def test_the_same_box_again_leaves_the_confirmations():
    document = after(add("a", 0, 8, z0=0, z8=8), Confirm("a", 0, 8))
    again = apply(document, SetKeyframe("a", 3, document.tracks[0].box_at(3), BoxSource.EDITED))
    assert len(again.tracks[0].confirmed) == 9


def test_deleting_a_keyframe_unconfirms_what_it_held():
    document = after(add("a", 0, 8, z0=0, z4=4, z6=0), Confirm("a", 0, 8))
    assert list(apply(document, DeleteKeyframe("a", 4)).tracks[0].confirmed) == [0, 6, 7, 8]
    assert list(apply(document, DeleteKeyframe("a", 6)).tracks[0].confirmed) == [0, 1, 2, 3, 4]


def test_a_shorter_range_keeps_the_boxes_even_when_no_keyframe_is_left_inside():
    before = after(add("a", 2, 12, z2=0, z12=10), Confirm("a", 2, 12))
    shorter = apply(before, SetTrackRange("a", 5, 7))
    assert boxes(shorter) == {z: boxes(before)[z] for z in (5, 6, 7)}
    assert list(shorter.tracks[0].confirmed) == [5, 6, 7]
    assert slice_states(shorter)[4] is SliceState.UNKNOWN


def test_a_range_may_shrink_at_one_end_and_grow_at_the_other():
    before = after(add("a", 2, 12, z2=0, z12=10))
    moved = apply(before, SetTrackRange("a", 5, 15))
    assert boxes(moved)[5] == boxes(before)[5]
    assert boxes(moved)[15] == boxes(before)[12]


def test_not_in_this_volume_removes_all_and_marks_all():
    document = after(add("a", 2, 5, z2=0), SetLabelRange(2, 5), MarkNotInVolume())
    assert (document.tracks, document.absent.ranges, document.label_range) == ((), ((0, 19),), None)
    assert document.not_in_volume


def test_drawing_takes_back_not_in_this_volume_for_every_slice():
    document = after(MarkNotInVolume(), add("a", 4, 6, z4=0))
    assert not document.not_in_volume
    assert not document.absent
    ranged = after(MarkNotInVolume(), SetLabelRange(4, 6))
    assert (ranged.not_in_volume, ranged.absent.ranges) == (False, ((0, 3), (7, 19)))


def test_drawing_leaves_the_marks_set_by_hand_where_they_made_every_slice_absent():
    marked = after(SetLabelRange(8, 12), MarkAbsent(8, 12))
    assert (marked.not_in_volume, marked.absent_everywhere) == (False, True)
    document = apply(marked, add("a", 10, 10, z10=0))
    assert document.absent.ranges == ((0, 9), (11, 19))
    assert not document.absent_everywhere
    assert document.label_range == (8, 12)


def test_a_slice_cleared_of_the_answer_takes_the_whole_answer_back():
    cleared = after(MarkNotInVolume(), ClearAbsent(19, 19))
    assert (cleared.not_in_volume, cleared.absent.ranges) == (False, ())


def test_a_track_that_leaves_the_label_range_widens_it():
    document = after(add("a", 6, 8, z6=0), SetLabelRange(5, 15))
    widened = apply(document, add("b", 17, 17, z17=0))
    assert widened.label_range == (5, 17)
    assert widened.absent.ranges == ((0, 4), (18, 19))
    by_hand = apply(document, MarkAbsent(16, 16))
    assert 16 in apply(by_hand, add("b", 17, 17, z17=0)).absent
    assert apply(document, SetKeyframe("a", 3, kf(0).box, BoxSource.DRAWN)).label_range == (3, 15)
    wide = apply(document, SetTrackRange("a", 2, 18))
    assert wide.label_range == (2, 18)
    assert apply(wide, DeleteTrack("a")).label_range == (2, 18)


def test_undo_is_an_operation_that_goes_back():
    before = after(add("a", 2, 5, z2=0), Confirm("a", 3, 4))
    assert apply(apply(before, MarkNotInVolume()), ReplaceDocument(before)) == before


def test_a_refusal_in_a_batch_names_the_operation():
    with pytest.raises(InvalidInput, match=r"operations\[1\]: There is no track 'b'") as refused:
        after(add("a", 2, 5, z2=0), DeleteTrack("b"))
    assert refused.value.code is ErrorCode.TRACK_UNKNOWN


GOOD = {"op": "set_keyframe", "track": "a", "slice": 3, "box": [0, 0, 5, 5], "source": "drawn"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"box": [0, 0, 0, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [5, 0, 4, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, math.nan, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, math.inf, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, 10**400, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, 10**5000, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, True, 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, "5", 5]}, ErrorCode.BOX_INVALID),
        ({"box": [0, 0, 5]}, ErrorCode.BOX_INVALID),
        ({"box": {"x0": 0}}, ErrorCode.BOX_INVALID),
        ({"box": None}, ErrorCode.BOX_INVALID),
        ({"slice": 3.0}, ErrorCode.OPERATION_INVALID),
        ({"slice": True}, ErrorCode.OPERATION_INVALID),
        ({"slice": "3"}, ErrorCode.OPERATION_INVALID),
        ({"slice": -1}, ErrorCode.OPERATION_INVALID),
        ({"slice": 10**5000}, ErrorCode.OPERATION_INVALID),
        ({"slice": math.nan}, ErrorCode.OPERATION_INVALID),
        ({"source": "guessed"}, ErrorCode.OPERATION_INVALID),
        ({"source": ["drawn"]}, ErrorCode.OPERATION_INVALID),
        ({"track": 5}, ErrorCode.OPERATION_INVALID),
        ({"op": "paint"}, ErrorCode.OPERATION_INVALID),
        ({"op": None}, ErrorCode.OPERATION_INVALID),
        ({"op": ["set_keyframe"]}, ErrorCode.OPERATION_INVALID),
        ({"colour": "red"}, ErrorCode.OPERATION_INVALID),
        ({7: "red"}, ErrorCode.OPERATION_INVALID),
    ],
)
def test_an_operation_of_another_form_is_refused_clearly(change, code):
    with pytest.raises(InvalidInput, match=r"^operation") as refused:
        operation_from_json({**GOOD, **change})
    assert refused.value.code is code
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("value", [None, [], "set_keyframe", 5, {}, {"op": "set_keyframe"}])
def test_what_is_no_operation_is_refused(value):
    with pytest.raises(InvalidInput) as refused:
        operation_from_json(value)
    assert refused.value.code is ErrorCode.OPERATION_INVALID


@pytest.mark.parametrize("n", [0, MAX_OPERATIONS + 1])
def test_a_batch_has_a_first_and_a_last_size(n):
    with pytest.raises(InvalidInput, match=f"not {n}") as refused:
        operations_from_json([GOOD] * n)
    assert refused.value.code is ErrorCode.OPERATION_INVALID


def test_a_refusal_while_reading_a_batch_names_the_place():
    with pytest.raises(InvalidInput, match=r"^operations\[1\]\.box\[2\] must be a finite number, not nan"):
        operations_from_json([GOOD, {**GOOD, "box": [0, 0, math.nan, 5]}])


def test_adding_a_track_checks_it_before_it_is_applied():
    with pytest.raises(InvalidInput, match="cannot name a track"):
        AddTrack("a b", 2, 5, {2: kf(0)})


# -- random sequences --

OPERATION_ERRORS = {
    ErrorCode.BOX_INVALID,
    ErrorCode.SLICE_OUT_OF_RANGE,
    ErrorCode.TRACK_UNKNOWN,
    ErrorCode.OPERATION_INVALID,
}

names = st.sampled_from(["a", "b", "c", "a/7", "b/3"])
slices = st.integers(-1, SHAPE[0])
spans = st.tuples(slices, slices).map(lambda pair: (min(pair), max(pair)))
sources = st.sampled_from(list(BoxSource))
drawn_boxes = st.tuples(
    st.floats(0, 40).map(lambda x: round(x * 2) / 2),
    st.integers(0, 30),
    st.integers(1, 12),
    st.integers(1, 12),
).map(lambda v: Box(v[0], v[1], v[0] + v[2], v[1] + v[3]))


@st.composite
def added(draw: st.DrawFn) -> AddTrack:
    first = draw(st.integers(0, SHAPE[0] - 1))
    last = min(first + draw(st.integers(0, 10)), SHAPE[0] - 1)
    on = draw(st.sets(st.integers(first, last), min_size=1, max_size=4))
    return AddTrack(draw(names), first, last, {z: Keyframe(draw(drawn_boxes), draw(sources)) for z in on})


steps = st.one_of(
    added(),
    st.builds(SetKeyframe, names, slices, drawn_boxes, sources),
    st.builds(DeleteKeyframe, names, slices),
    st.builds(DeleteTrack, names),
    st.builds(lambda name, span: SetTrackRange(name, *span), names, spans),
    st.builds(lambda span: SetLabelRange(*span), spans),
    st.builds(lambda span: MarkAbsent(*span), spans),
    st.builds(lambda span: ClearAbsent(*span), spans),
    st.just(MarkNotInVolume()),
    st.builds(lambda name, span: Confirm(name, *span), names, spans),
)


def check(document: AnnotationDocument) -> None:
    """What always holds."""
    covered = {z for track in document.tracks for z in range(track.first, track.last + 1)}
    assert not covered & set(document.absent)
    assert set(document.beyond) <= set(document.absent)
    assert document.absent_everywhere or not document.not_in_volume
    if document.label_range is not None:
        assert all(document.label_range[0] <= z <= document.label_range[1] for z in covered)
    states = slice_states(document)
    assert len(states) == SHAPE[0]
    for z, state in enumerate(states):
        expected = {SliceState.ABSENT} if z in document.absent else {SliceState.UNKNOWN}
        assert state in ({SliceState.SUGGESTED, SliceState.DONE} if z in covered else expected)
    text = json.dumps(document.to_json(), allow_nan=False)
    assert AnnotationDocument.from_json(json.loads(text)) == document


def confirmed_boxes(document: AnnotationDocument) -> dict[tuple[str, int], Box]:
    return {
        (track.id.split("/")[0], z): track.box_at(z) for track in document.tracks for z in track.confirmed
    }


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=25))
def test_no_sequence_makes_an_invalid_document_and_the_log_folds_to_the_state(sequence):
    document = empty_document(SHAPE)
    log = []
    refusals: set[ErrorCode] = set()
    for operation in sequence:
        stored = document.to_json()
        try:
            document_after = apply(document, operation)
        except InvalidInput as error:
            refusals.add(error.code)
            continue
        check(document_after)
        assert document.to_json() == stored
        document = document_after
        log.append(json.loads(json.dumps(operation.to_json())))
    assert refusals <= OPERATION_ERRORS
    if log:
        assert apply_all(empty_document(SHAPE), operations_from_json(log)).to_json() == document.to_json()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(steps, max_size=15),
    st.one_of(added(), st.builds(SetKeyframe, names, slices, drawn_boxes, sources)),
)
def test_drawing_keeps_every_mark_that_it_does_not_touch_unless_the_one_answer_was_given(sequence, drawing):
    document = empty_document(SHAPE)
    for operation in [*sequence, drawing]:
        before = document
        try:
            document = apply(document, operation)
        except InvalidInput:
            continue
        assert not document.not_in_volume or isinstance(operation, MarkNotInVolume) or before.not_in_volume
    covered = {z for track in document.tracks for z in range(track.first, track.last + 1)}
    if document is not before and not before.not_in_volume:
        first, last = document.label_range or (0, -1)
        inside = set(before.beyond) & set(range(first, last + 1))
        assert set(document.absent) == set(before.absent) - covered - inside


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=15))
def test_a_confirmation_never_survives_a_change_of_its_box(sequence):
    document = empty_document(SHAPE)
    for operation in sequence:
        before = {track.id: track for track in document.tracks}
        try:
            document = apply(document, operation)
        except InvalidInput:
            continue
        if isinstance(operation, Confirm):
            continue
        for track in document.tracks:
            old = before.get(track.id)
            for z in track.confirmed if old else ():
                if not old.covers(
                    z
                ):  # the name moved on to a part of another track; its boxes were confirmed there
                    continue
                assert z in old.confirmed
                assert all(
                    math.isclose(a, b, abs_tol=1e-6)
                    for a, b in zip(track.box_at(z).values, old.box_at(z).values, strict=True)
                )


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=10), spans)
def test_cutting_keeps_every_remaining_box_where_it_was_and_as_done_as_it_was(sequence, span):
    document = empty_document(SHAPE)
    for operation in sequence:
        try:
            document = apply(document, operation)
        except InvalidInput:
            continue
    for cut in (MarkAbsent(*span), SetLabelRange(*span)):
        try:
            document_after = apply(document, cut)
        except InvalidInput:
            continue
        old, new = boxes_by_slice(document), boxes_by_slice(document_after)
        kept = [z for z in old if z not in document_after.absent]
        assert sorted(new) == kept
        for z in kept:
            assert len(new[z]) == len(old[z])
            for one, other in zip(new[z], old[z], strict=True):
                assert one.box.values == pytest.approx(other.box.values, abs=1e-9)
                assert (one.confirmed, one.source) == (other.confirmed, other.source)
            assert slice_states(document_after)[z] is slice_states(document)[z]
