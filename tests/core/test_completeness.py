"""What is decided, and where it is not."""

import pytest

from crowdmask.core.completeness import completeness
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.tracks import (
    BoxSource,
    Gap,
    GapKind,
    Keyframe,
    Track,
    document_from_tracks,
    empty_document,
    gaps,
)


def track(name: str, first: int, last: int, *, confirmed: tuple[tuple[int, int], ...] = ()) -> Track:
    """Drawn on its first slice, filled in on the others."""
    return Track(name, first, last, {first: Keyframe(Box(1, 1, 5, 5), BoxSource.DRAWN)}, Intervals(confirmed))


def test_every_slice_is_counted_once_and_the_gaps_are_named():
    tracks = [track("a", 10, 13), track("b", 17, 19, confirmed=((18, 19),))]
    document = document_from_tracks((30, 20, 20), tracks, Intervals(((0, 4), (15, 15), (25, 29))))
    found = completeness(document)
    assert (found.n_slices, found.done, found.suggested, found.absent, found.unknown) == (30, 4, 3, 11, 12)
    assert found.share == pytest.approx(15 / 30)
    assert found.holes == ((14, 14), (16, 16))
    assert found.unverified_ends == ((5, 9), (20, 24))
    assert found.suggested_runs == ((11, 13),)
    assert not found.is_complete
    assert gaps(document) == [
        Gap(GapKind.TODO, 5, 9),
        Gap(GapKind.SUGGESTED, 11, 13),
        Gap(GapKind.TODO, 14, 14),
        Gap(GapKind.TODO, 16, 16),
        Gap(GapKind.TODO, 20, 24),
    ]


def test_nothing_done_has_neither_ends_nor_holes():
    found = completeness(empty_document((8, 5, 5)))
    assert (found.unknown, found.share, found.holes, found.unverified_ends) == (8, 0, (), ())
    assert not found.is_complete


def test_not_in_this_volume_is_complete():
    found = completeness(document_from_tracks((8, 5, 5), (), Intervals(((0, 7),))))
    assert (found.absent, found.share, found.is_complete) == (8, 1, True)


def test_one_suggested_slice_keeps_it_from_being_complete():
    marked = Intervals(((0, 1), (5, 7)))
    suggested = completeness(document_from_tracks((8, 9, 9), [track("a", 2, 4, confirmed=((3, 3),))], marked))
    assert (suggested.suggested_runs, suggested.unknown, suggested.is_complete) == (((4, 4),), 0, False)
    confirmed = completeness(document_from_tracks((8, 9, 9), [track("a", 2, 4, confirmed=((3, 4),))], marked))
    assert confirmed.is_complete


def test_a_slice_is_done_only_when_every_piece_on_it_is():
    tracks = [track("a", 2, 2), track("b", 1, 2)]
    found = completeness(document_from_tracks((4, 9, 9), tracks))
    assert (found.done, found.suggested_runs) == (1, ((2, 2),))
