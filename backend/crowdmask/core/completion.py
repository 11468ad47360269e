"""Boxes for the slices that nobody has looked at, as far as they follow from the boxes that are there.

Three words, the same everywhere: ``none`` is every slice that a track covers; ``fill`` adds the unknown slices between
two tracks of the label; ``full`` adds those beyond the ends as well, which needs a model (``crowdmask_ml.completion``).
Completion writes only on unknown slices and never passes one that is marked absent. What it adds is a suggestion: its
boxes are never confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from crowdmask.core.geometry import Box, interpolate
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxOnSlice,
    BoxSource,
    SliceState,
    boxes_by_slice,
    slice_states,
)

RULES_VERSION = 2
"""Of ``fill`` and ``full``, with what the worker does for them. 2: added slices are smoothed over z."""

SMALLEST_SHARED = 0.5
"""Share of the smaller of two facing boxes that has to lie in the larger one for them to be parts of one piece, where
a piece splits or two join: less than half is a neighbour."""


class Completion(StrEnum):
    """Which slices get a mask: see the module."""

    NONE = "none"
    FILL = "fill"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class OpenEnd:
    """Where boxes end and unknown slices begin.

    Attributes:
        slice: the last one with a box.
        step: 1 when the unknown slices are above it, -1 when they are below.
        room: how many slices in that direction are unknown, up to the next one that is covered or absent.
        boxes: on ``slice``, those that nothing continues.
    """

    slice: int
    step: int
    room: int
    boxes: tuple[BoxOnSlice, ...]


def filled(document: AnnotationDocument) -> dict[int, list[BoxOnSlice]]:
    """The boxes on the unknown slices between two tracks: linear in the four edges between the boxes that face each other.

    Over each hole (unknown slices with a covered one on both sides) the facing boxes with the highest intersection
    over union are joined first (greedy). A box left over is joined, besides, to the box that it mostly lies in or
    that mostly lies in it: there a piece splits or two join.

    Returns:
        Added boxes by slice, ascending; source ``interpolated``, under the id of the track below the hole.
    """
    on_slices = boxes_by_slice(document)
    found: dict[int, list[BoxOnSlice]] = {}
    for below, above in _holes(document):
        for lower, upper in _pairs(on_slices[below], on_slices[above]):
            for z in range(below + 1, above):
                box = interpolate(lower.box, upper.box, (z - below) / (above - below))
                found.setdefault(z, []).append(
                    BoxOnSlice(lower.track_id, z, box, BoxSource.INTERPOLATED, confirmed=False)
                )
    return found


def open_ends(document: AnnotationDocument) -> list[OpenEnd]:
    """The ends beyond which slices are unknown and that ``filled`` leaves open, from the lowest slice up."""
    on_slices = boxes_by_slice(document)
    continued: dict[tuple[int, int], set[str]] = {}
    for below, above in _holes(document):
        pairs = _pairs(on_slices[below], on_slices[above])
        continued[below, 1] = {lower.track_id for lower, _ in pairs}
        continued[above, -1] = {upper.track_id for _, upper in pairs}
    unknown = _unknown(document)
    ends = []
    for first, last in _covered(document).ranges:
        for z, step in ((first, -1), (last, 1)):
            room = _room(unknown, z, step)
            left = tuple(box for box in on_slices[z] if box.track_id not in continued.get((z, step), ()))
            if room and left:
                ends.append(OpenEnd(z, step, room, left))
    return ends


def undecided(
    document: AnnotationDocument, completion: Completion, *, confirmed_only: bool = False
) -> Intervals:
    """The slices on which it is not known whether the label is there, once ``completion`` has done its part.

    ``full`` guesses how far the label goes, so it decides every slice of a document that has a box; ``confirmed_only``
    counts boxes that nobody made or confirmed as unknown and takes nothing from completion.
    """
    unknown = _unknown(document)
    if confirmed_only:
        states = slice_states(document)
        return unknown.union(
            Intervals.from_slices(z for z, state in enumerate(states) if state is SliceState.SUGGESTED)
        )
    if completion is Completion.FULL and document.tracks:
        return NO_SLICES
    if completion is Completion.FILL:
        return unknown.without(Intervals.from_slices(filled(document)))
    return unknown


def _covered(document: AnnotationDocument) -> Intervals:
    return Intervals.of((track.first, track.last) for track in document.tracks)


def _unknown(document: AnnotationDocument) -> Intervals:
    everything = Intervals(((0, document.shape[0] - 1),))
    return everything.without(_covered(document)).without(document.absent)


def _holes(document: AnnotationDocument) -> list[tuple[int, int]]:
    """The covered slices on both sides of each hole; a slice marked absent in between makes two ends of it."""
    return [
        (below, above)
        for (_, below), (above, _) in pairwise(_covered(document).ranges)
        if not document.absent.overlaps(below, above)
    ]


def _room(unknown: Intervals, z: int, step: int) -> int:
    for first, last in unknown.ranges:
        if step == 1 and first == z + 1:
            return last - z
        if step == -1 and last == z - 1:
            return z - first
    return 0


def _pairs(lower: Sequence[BoxOnSlice], upper: Sequence[BoxOnSlice]) -> list[tuple[BoxOnSlice, BoxOnSlice]]:
    """Which boxes on both sides of a hole belong together; ties go to the box that comes first."""
    ranked = sorted(
        (-overlap, i, j)
        for i, one in enumerate(lower)
        for j, other in enumerate(upper)
        if (overlap := one.box.iou(other.box)) > 0
    )
    pairs: list[tuple[int, int]] = []
    for _, i, j in ranked:
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    joined_lower, joined_upper = {i for i, _ in pairs}, {j for _, j in pairs}
    for _, i, j in ranked:
        alone = (i not in joined_lower) != (j not in joined_upper)
        if alone and _shared(lower[i].box, upper[j].box) >= SMALLEST_SHARED:
            pairs.append((i, j))
            joined_lower.add(i)
            joined_upper.add(j)
    return [(lower[i], upper[j]) for i, j in sorted(pairs)]


def _shared(one: Box, other: Box) -> float:
    """The area that two boxes share, of the smaller one's: 0..1."""
    overlap = one.iou(other)
    # iou = shared / (a + b - shared), solved for what is shared.
    shared = overlap * (one.area + other.area) / (1 + overlap)
    return shared / min(one.area, other.area)
