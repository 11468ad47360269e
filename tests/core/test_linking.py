"""Boxes of consecutive slices become tracks."""

from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.geometry import Box
from crowdmask.core.tracks import BoxSource, boxes_by_slice, document_from_boxes, link

boxes = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.integers(1, 9)).map(
    lambda v: Box(v[0], v[1], v[0] + v[2], v[1] + v[3])
)
stacks = st.dictionaries(st.integers(0, 12), st.lists(boxes, max_size=4), max_size=8)


def test_one_box_per_slice_is_one_track():
    tracks = link({z: [Box(z, 0, z + 10, 10)] for z in range(4, 9)}, source=BoxSource.SIMULATED)
    assert [(track.first, track.last, len(track.keyframes)) for track in tracks] == [(4, 8, 5)]
    assert tracks[0].keyframes[6].source is BoxSource.SIMULATED


def test_a_slice_without_a_box_ends_the_track():
    box = Box(0, 0, 10, 10)
    tracks = link({1: [box], 2: [box], 3: [], 4: [box], 6: [box]}, source=BoxSource.IMPORTED)
    assert [(track.first, track.last) for track in tracks] == [(1, 2), (4, 4), (6, 6)]


def test_two_pieces_on_a_slice_are_two_tracks():
    left, right = Box(0, 0, 10, 10), Box(20, 0, 30, 10)
    tracks = link({5: [left, right], 6: [right, left]}, source=BoxSource.IMPORTED)
    assert [[keyframe.box for keyframe in track.keyframes.values()] for track in tracks] == [
        [left, left],
        [right, right],
    ]


def test_the_pair_that_overlaps_most_is_joined_first():
    wide, near, same = Box(0, 0, 20, 10), Box(0, 0, 12, 10), Box(0, 0, 19, 10)
    tracks = link({0: [wide], 1: [near, same]}, source=BoxSource.IMPORTED)
    assert tracks[0].keyframes[1].box == same
    assert (tracks[1].first, tracks[1].box_at(1)) == (1, near)


def test_a_piece_that_divides_continues_in_one_part_and_starts_another():
    whole, big, small = Box(0, 0, 30, 10), Box(0, 0, 20, 10), Box(22, 0, 30, 10)
    tracks = link({0: [whole], 1: [small, big], 2: [small, big]}, source=BoxSource.IMPORTED)
    assert [(track.first, track.last) for track in tracks] == [(0, 2), (1, 2)]
    assert tracks[0].box_at(2) == big


def test_boxes_that_do_not_touch_are_not_joined():
    tracks = link({0: [Box(0, 0, 5, 5)], 1: [Box(5, 0, 9, 5)]}, source=BoxSource.IMPORTED)
    assert [(track.first, track.last) for track in tracks] == [(0, 0), (1, 1)]


@given(stacks)
def test_linking_neither_loses_nor_makes_a_box(stack):
    document = document_from_boxes((13, 40, 40), stack, source=BoxSource.IMPORTED)
    found = {z: sorted(on.box for on in on_slice) for z, on_slice in boxes_by_slice(document).items()}
    assert found == {z: sorted(on_slice) for z, on_slice in sorted(stack.items()) if on_slice}
    assert [track.id for track in document.tracks] == [f"t{n + 1}" for n in range(len(document.tracks))]
    for track in document.tracks:
        assert list(track.keyframes) == list(range(track.first, track.last + 1))
