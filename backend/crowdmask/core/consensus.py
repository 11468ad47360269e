"""One set of boxes out of several people's: the median box.

The median of each edge, never the mean: one bad annotator of three moves a mean box and leaves a median box alone.
"""

from collections.abc import Sequence
from statistics import median

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.keyframes import SMALLEST_EDGE, BoxSource
from crowdmask.core.tracks import (
    AnnotationDocument,
    SliceState,
    boxes_by_slice,
    document_from_tracks,
    link,
    slice_states,
)


def median_document(
    documents: Sequence[AnnotationDocument], *, confirmed_only: bool = False
) -> AnnotationDocument:
    """What several people say about one label in one volume, as one document.

    On each slice only those count who decided it. At least half of them must have a box for the label to be there, so of
    two people who differ the one with a box is followed; otherwise it is absent. A slice that nobody decided stays unknown.

    Where the label is there, the boxes of different people that overlap are taken for the same piece (of one person's
    boxes in a piece, what they span). A piece that at least half of those with boxes have becomes one box: the median of
    each edge. Where no piece is had by half, the one that most people have stands, and of equal ones the larger.

    Args:
        documents: of the same task.
        confirmed_only: whether a slice counts as decided only when a person made or confirmed its boxes.

    Raises:
        InvalidInput: ``option_invalid`` without a document.
        Conflict: ``grid_mismatch`` when they are not of the same volume's shape.
    """
    if not documents:
        raise InvalidInput(ErrorCode.OPTION_INVALID, "There is no annotation to take a median of.")
    shape = documents[0].shape
    for document in documents:
        if document.shape != shape:
            raise Conflict(
                ErrorCode.GRID_MISMATCH,
                f"One annotation is of a volume of {shape} and another of {document.shape} (z, y, x).",
            )
    undecided = {SliceState.UNKNOWN} | ({SliceState.SUGGESTED} if confirmed_only else set())
    states = [slice_states(document) for document in documents]
    boxes = [boxes_by_slice(document) for document in documents]
    found: dict[int, list[Box]] = {}
    absent: list[int] = []
    for z in range(shape[0]):
        decided = [person for person in range(len(documents)) if states[person][z] not in undecided]
        drawn = [[entry.box for entry in boxes[person].get(z, [])] for person in decided]
        drawn = [theirs for theirs in drawn if theirs]
        if drawn and 2 * len(drawn) >= len(decided):
            found[z] = _median_boxes(drawn)
        elif decided:
            absent.append(z)
    return document_from_tracks(
        shape, link(found, source=BoxSource.CONSENSUS), absent=Intervals.from_slices(absent)
    )


def _median_boxes(people: Sequence[Sequence[Box]]) -> list[Box]:
    """``people``: the boxes of each person with any on the slice."""
    pieces = [
        [_hull(theirs) for person in sorted(set(owners)) if (theirs := _of(person, owners, boxes))]
        for owners, boxes in _pieces(people)
    ]
    shared = [piece for piece in pieces if 2 * len(piece) >= len(people)]
    if not shared:
        shared = [max(pieces, key=lambda piece: (len(piece), max(box.area for box in piece)))]
    return [_median(piece) for piece in shared]


def _pieces(people: Sequence[Sequence[Box]]) -> list[tuple[list[int], list[Box]]]:
    """Boxes joined by overlaps between different people, each group with the person of each box; in the order of their
    first boxes."""
    owners = [person for person, boxes in enumerate(people) for _ in boxes]
    boxes = [box for theirs in people for box in theirs]
    group = list(range(len(boxes)))
    for i, one in enumerate(boxes):
        for j in range(i):
            if owners[i] != owners[j] and group[i] != group[j] and one.iou(boxes[j]) > 0:
                joined, gone = sorted((group[i], group[j]))
                group = [joined if at == gone else at for at in group]
    return [
        (
            [owners[i] for i in range(len(boxes)) if group[i] == at],
            [boxes[i] for i in range(len(boxes)) if group[i] == at],
        )
        for at in sorted(set(group))
    ]


def _of(person: int, owners: Sequence[int], boxes: Sequence[Box]) -> list[Box]:
    return [box for owner, box in zip(owners, boxes, strict=True) if owner == person]


def _hull(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def _median(boxes: Sequence[Box]) -> Box:
    """Each edge's median; boxes that overlap only in a chain could leave less than a box, then the largest stands."""
    x0, y0, x1, y1 = (median(box.values[edge] for box in boxes) for edge in range(4))
    if x1 - x0 < SMALLEST_EDGE or y1 - y0 < SMALLEST_EDGE:
        return max(boxes, key=lambda box: box.area)
    return Box(x0, y0, x1, y1)
