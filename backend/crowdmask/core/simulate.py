"""Simulated annotators: boxes derived from a reference mask.

They check a pipeline and measure how box errors carry over into masks; they are no evidence of how well people
annotate. ``ideal`` draws by a rule of the paper (Kulkarni et al., arXiv 2402.05713, section 2.3.1) or of the code
released with it; ``crowd`` draws the same boxes with an error on each edge. Both may leave slices out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.tracks import AnnotationDocument, BoxSource, boxes_by_slice, document_from_boxes
from crowdmask.core.volume import Grid

DEFAULT_JITTER_MM = 2.3
_FILTER_VOXELS = 5
_THRESHOLD = 0.01
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


class Annotator(StrEnum):
    """Who is simulated: the paper's rule, or the same boxes with errors."""

    IDEAL = "ideal"
    CROWD = "crowd"


class Rule(StrEnum):
    """How a box follows from a slice of the reference.

    ``paper``: the slice's mask blurred by a 5 x 5 uniform filter, binarised at > 0.01, a box around each connected
    region. ``released-code``: besides, holes filled, every box ends one voxel further, and boxes that overlap or
    touch become their common hull.
    """

    PAPER = "paper"
    RELEASED_CODE = "released-code"


def ideal_boxes(reference: NDArray[np.bool_], rule: Rule = Rule.PAPER) -> dict[int, list[Box]]:
    """The boxes of a rule for each slice of a boolean mask ``(z, y, x)`` that has any.

    At > 0.01 one voxel among 25 is enough, so the filter grows the mask by two voxels; regions that come to touch
    (also at a corner) share a box. Boxes are half-open, whole-voxel, inside the slice, in reading order (of their
    first voxels; by ``released-code`` in ascending order of their numbers).
    """
    boxes: dict[int, list[Box]] = {}
    for z in np.flatnonzero(reference.any(axis=(1, 2))):
        blurred = ndimage.uniform_filter(
            reference[z].astype(np.float64), size=_FILTER_VOXELS, mode="constant", cval=0.0
        )
        grown = blurred > _THRESHOLD
        if rule is Rule.RELEASED_CODE:
            grown = ndimage.binary_fill_holes(grown)
        regions, _ = ndimage.label(grown, structure=_EIGHT_NEIGHBOURS)
        drawn = [
            Box(columns.start, rows.start, columns.stop, rows.stop)
            for rows, columns in ndimage.find_objects(regions)
        ]
        boxes[int(z)] = _widened(drawn, reference.shape[1:]) if rule is Rule.RELEASED_CODE else drawn
    return boxes


def _widened(boxes: Iterable[Box], size: tuple[int, ...]) -> list[Box]:
    """Each box one voxel further to the right and below, inside a slice of ``size``; those that meet as one hull."""
    rows, columns = size
    apart: list[Box] = []
    for drawn in boxes:
        box = Box(drawn.x0, drawn.y0, min(drawn.x1 + 1, columns), min(drawn.y1 + 1, rows))
        # A hull may reach boxes that its parts did not.
        while met := [other for other in apart if _meet(box, other)]:
            apart = [other for other in apart if other not in met]
            box = _hull([box, *met])
        apart.append(box)
    return sorted(apart)


def _meet(one: Box, other: Box) -> bool:
    """Whether two boxes overlap or touch, also at a corner."""
    return one.x0 <= other.x1 and other.x0 <= one.x1 and one.y0 <= other.y1 and other.y0 <= one.y1


def _hull(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def jitter(
    boxes: Mapping[int, Sequence[Box]],
    *,
    jitter_mm: float,
    spacing: tuple[float, float, float],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> dict[int, list[Box]]:
    """The same boxes with a Gaussian error on each of the four edges, independent of each other.

    Args:
        boxes: by slice.
        jitter_mm: standard deviation of the error in mm, the same along both axes.
        spacing: (dx, dy, dz) in mm.
        size: (rows, columns) of a slice.
        rng: draws four numbers per box, in ascending order of slices.

    Returns:
        As many boxes per slice, whole-voxel, inside the slice, of at least one voxel.

    Raises:
        InvalidInput: ``option_invalid`` when ``jitter_mm`` is negative, not finite, or more than the longer side of a slice.
    """
    rows, columns = size
    width_mm, height_mm = columns * spacing[0], rows * spacing[1]
    if not 0 <= jitter_mm <= max(width_mm, height_mm):  # nor is NaN
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"The jitter is {jitter_mm:g} mm, the standard deviation of an error on slices of "
            f"{width_mm:g} x {height_mm:g} mm.",
            hint=f"Give a number of millimetres from 0 to {max(width_mm, height_mm):g}.",
        )
    sd_x, sd_y = jitter_mm / spacing[0], jitter_mm / spacing[1]
    jittered: dict[int, list[Box]] = {}
    for z in sorted(boxes):
        moved = []
        for box in boxes[z]:
            x0, y0, x1, y1 = np.array(box.values) + rng.normal(0.0, 1.0, 4) * (sd_x, sd_y, sd_x, sd_y)
            left, right = _whole_voxels(x0, x1, columns)
            top, bottom = _whole_voxels(y0, y1, rows)
            moved.append(Box(left, top, right, bottom))
        jittered[z] = moved
    return jittered


def simulate(
    reference: NDArray[np.bool_],
    *,
    annotator: Annotator,
    grid: Grid,
    rng: np.random.Generator,
    jitter_mm: float = DEFAULT_JITTER_MM,
    rule: Rule = Rule.PAPER,
    loose_mm: float = 0.0,
    one_box: bool = False,
    presence: Sequence[bool] = (),
    miss_inner: float = 0.0,
    miss_ends: float = 0.0,
    every: int = 1,
) -> AnnotationDocument:
    """What the simulated annotator makes of one label: a track per run of consecutive boxes.

    Every box drawn is a keyframe with source ``simulated``. No slice is marked absent: where there is no track the
    slice stays unknown.

    Args:
        reference: boolean mask ``(z, y, x)`` of the label.
        annotator: ``ideal`` takes no notice of ``jitter_mm``.
        grid: of the reference; gives spacing and slice size.
        rng: source of the errors, and of the slices that are missed.
        jitter_mm: standard deviation of the error of each edge, in mm.
        rule: how a box follows from the reference.
        loose_mm: how much every edge lies too far outside, in mm; below 0: too tight.
        one_box: one box per slice around all regions, instead of one for each.
        presence: where a real annotator of another volume drew, ``presence_of``; nobody's holes when empty.
        miss_inner: share of the slices between the first and the last drawn that get no box, 0..1; of those that
            ``presence`` leaves.
        miss_ends: share of the slices that get no box at each of the two ends, 0..0.5.
        every: of each track only its first and last slice and every ``every``-th one are drawn, the slices between
            follow by the track's own interpolation.

    Raises:
        InvalidInput: ``option_invalid`` for a jitter as in ``jitter``, a share outside its range, ``every`` below 1,
            a ``loose_mm`` that is not finite or moves an edge by more than the longer side of a slice.
    """
    boxes = ideal_boxes(reference, rule)
    if one_box:
        boxes = {z: [_hull(on_slice)] for z, on_slice in boxes.items()}
    if loose_mm:
        boxes = _loosened(boxes, loose_mm, grid)
    if annotator is Annotator.CROWD:
        boxes = jitter(boxes, jitter_mm=jitter_mm, spacing=grid.spacing, size=grid.size, rng=rng)
    boxes = damaged(boxes, presence)
    boxes = missed(boxes, inner=miss_inner, ends=miss_ends, rng=rng)
    drawn = document_from_boxes(grid.shape, boxes, source=BoxSource.SIMULATED)
    return drawn if every == 1 else _thinned(drawn, every)


def missed(
    boxes: Mapping[int, Sequence[Box]], *, inner: float, ends: float, rng: np.random.Generator
) -> dict[int, list[Box]]:
    """The same boxes without those of the slices that somebody left out.

    Args:
        boxes: by slice.
        inner: share, 0..1, of the slices that are neither the first nor the last left; chosen at random.
        ends: share, 0..0.5, of all slices with a box that is cut off at each end. Both are rounded, halves up.
        rng: draws once when any inner slice is left out.

    Raises:
        InvalidInput: ``option_invalid`` when a share is outside its range.
    """
    for name, share, most in (("inner slices", inner, 1.0), ("slices at each end", ends, 0.5)):
        if not 0 <= share <= most:  # nor is NaN
            raise InvalidInput(
                ErrorCode.OPTION_INVALID,
                f"The share of {name} that are missed is {share:g}.",
                hint=f"Give a number from 0 to {most:g}.",
            )
    slices = sorted(boxes)
    cut = math.floor(ends * len(slices) + 0.5)
    slices = slices[cut : len(slices) - cut]
    between = slices[1:-1]
    count = math.floor(inner * len(between) + 0.5)
    left_out = set(rng.choice(between, count, replace=False).tolist()) if count else set()
    return {z: list(boxes[z]) for z in slices if z not in left_out}


def presence_of(document: AnnotationDocument) -> tuple[bool, ...]:
    """Whether somebody boxed each slice from the first to the last with a box; empty without any."""
    drawn = boxes_by_slice(document)
    return tuple(z in drawn for z in range(min(drawn), max(drawn) + 1)) if drawn else ()


def damaged(boxes: Mapping[int, Sequence[Box]], presence: Sequence[bool]) -> dict[int, list[Box]]:
    """The same boxes without those on the slices that a real annotator left out of another volume.

    Args:
        boxes: by slice.
        presence: whether that annotator drew, slice by slice through the organ; stretched over the slices from the
            first to the last one with a box.
    """
    if not boxes or not presence:
        return {z: list(on_slice) for z, on_slice in boxes.items()}
    first, last = min(boxes), max(boxes)
    scale = len(presence) / (last - first + 1)
    return {z: list(boxes[z]) for z in sorted(boxes) if presence[int((z - first + 0.5) * scale)]}


def _loosened(boxes: Mapping[int, Sequence[Box]], loose_mm: float, grid: Grid) -> dict[int, list[Box]]:
    rows, columns = grid.size
    most = max(columns * grid.spacing[0], rows * grid.spacing[1])
    if not -most <= loose_mm <= most:  # nor is NaN
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"Edges that lie {loose_mm:g} mm too far outside do not fit slices of {most:g} mm.",
            hint=f"Give a number of millimetres from {-most:g} to {most:g}.",
        )
    dx, dy = loose_mm / grid.spacing[0], loose_mm / grid.spacing[1]
    loosened: dict[int, list[Box]] = {}
    for z, on_slice in boxes.items():
        loosened[z] = []
        for box in on_slice:
            left, right = _whole_voxels(box.x0 - dx, box.x1 + dx, columns)
            top, bottom = _whole_voxels(box.y0 - dy, box.y1 + dy, rows)
            loosened[z].append(Box(left, top, right, bottom))
    return loosened


def _thinned(document: AnnotationDocument, every: int) -> AnnotationDocument:
    if every < 1:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"Every {every}th slice cannot be drawn.",
            hint="Give a whole number from 1.",
        )
    tracks = []
    for track in document.tracks:
        kept = {
            z: keyframe
            for z, keyframe in track.keyframes.items()
            if (z - track.first) % every == 0 or z == track.last
        }
        tracks.append(replace(track, keyframes=kept))
    return replace(document, tracks=tuple(tracks))


def _whole_voxels(low: float, high: float, length: int) -> tuple[int, int]:
    """Two edges on whole voxels (halves up), in order, inside 0..length, at least one voxel apart."""
    first, last = sorted((math.floor(low + 0.5), math.floor(high + 0.5)))
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)
