"""How far two people agree about one label in one volume, from their boxes alone.

Boxes are compared slice by slice as areas: several boxes of a slice count as what they cover together, so that one box
around two pieces and two boxes around one each are told apart by what they cover and not by their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.geometry import Box
from crowdmask.core.tracks import AnnotationDocument, SliceState, boxes_by_slice, slice_states


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two annotations of the same task.

    Attributes:
        box_iou: mean over the slices on which both have boxes, of what the boxes share over what they cover; NaN when
            there is no such slice.
        presence: share of the slices that both have decided (a box, or not here) on which both say the same; NaN when
            there is none.
        first_difference, last_difference: by how many slices the second begins and ends later (negative: earlier) than
            the first; None unless both have boxes.
        slices_both, slices_either: with boxes of both, of at least one.
        slices_decided: decided by both.
    """

    box_iou: float
    presence: float
    first_difference: int | None
    last_difference: int | None
    slices_both: int
    slices_either: int
    slices_decided: int

    @property
    def box_score(self) -> float:
        """``box_iou`` as a number that is always there: two who both have no box agree (1), two without a common slice
        do not (0)."""
        if self.slices_both:
            return self.box_iou
        return 0.0 if self.slices_either else 1.0


def range_difference(first_difference: int | None, last_difference: int | None) -> float | None:
    """By how many slices first and last slice differ, on average; None where one of the two has no box."""
    if first_difference is None or last_difference is None:
        return None
    return (abs(first_difference) + abs(last_difference)) / 2


def agreement(one: AnnotationDocument, other: AnnotationDocument) -> Agreement:
    """Compare two annotations.

    Raises:
        Conflict: ``grid_mismatch`` when they are not of the same volume's shape.
    """
    if one.shape != other.shape:
        raise Conflict(
            ErrorCode.GRID_MISMATCH,
            f"One annotation is of a volume of {one.shape} and the other of {other.shape} (z, y, x).",
        )
    first, second = _boxes(one), _boxes(other)
    both = sorted(first.keys() & second.keys())
    overlaps = [area_iou(first[z], second[z]) for z in both]
    decided = [
        (a is not SliceState.ABSENT) == (b is not SliceState.ABSENT)
        for a, b in zip(slice_states(one), slice_states(other), strict=True)
        if SliceState.UNKNOWN not in (a, b)
    ]
    return Agreement(
        box_iou=float(np.mean(overlaps)) if overlaps else float("nan"),
        presence=float(np.mean(decided)) if decided else float("nan"),
        first_difference=min(second) - min(first) if first and second else None,
        last_difference=max(second) - max(first) if first and second else None,
        slices_both=len(both),
        slices_either=len(first.keys() | second.keys()),
        slices_decided=len(decided),
    )


def pairwise(documents: Sequence[AnnotationDocument]) -> dict[tuple[int, int], Agreement]:
    """Of every two of them, by their places in the sequence, the lower first."""
    return {(i, j): agreement(documents[i], documents[j]) for i, j in combinations(range(len(documents)), 2)}


def area_iou(one: Sequence[Box], other: Sequence[Box]) -> float:
    """Area covered by both sets of boxes over the area covered by either, 0..1; exact for fractional boxes."""
    if len(one) == len(other) == 1:
        return one[0].iou(other[0])
    x = np.unique([edge for box in (*one, *other) for edge in (box.x0, box.x1)])
    y = np.unique([edge for box in (*one, *other) for edge in (box.y0, box.y1)])
    areas = np.outer(np.diff(y), np.diff(x))
    covered = [_covered(boxes, x, y) for boxes in (one, other)]
    either = areas[covered[0] | covered[1]].sum()
    return float(areas[covered[0] & covered[1]].sum() / either)


def _covered(boxes: Sequence[Box], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which cells between the edges ``y`` and ``x`` lie in a box, bool ``(len(y) - 1, len(x) - 1)``."""
    inside = np.zeros((len(y) - 1, len(x) - 1), dtype=bool)
    for box in boxes:
        rows = slice(*np.searchsorted(y, (box.y0, box.y1)))
        inside[rows, slice(*np.searchsorted(x, (box.x0, box.x1)))] = True
    return inside


def _boxes(document: AnnotationDocument) -> dict[int, list[Box]]:
    return {z: [entry.box for entry in on_slice] for z, on_slice in boxes_by_slice(document).items()}
