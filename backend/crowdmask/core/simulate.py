"""Simulated annotators: boxes derived from a reference mask.

They check a pipeline and measure how box errors carry over into masks; they are no evidence of how well people
annotate. ``ideal`` is the rule of the paper (Kulkarni et al., arXiv 2402.05713, section 2.3.1): the slice's mask
blurred by a 5 x 5 uniform filter, binarised at > 0.01, a box around each connected region. ``crowd`` draws the same
boxes with an error on each edge.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.tracks import AnnotationDocument, BoxSource, document_from_boxes
from crowdmask.core.volume import Grid

DEFAULT_JITTER_MM = 2.3
_FILTER_VOXELS = 5
_THRESHOLD = 0.01
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


class Annotator(StrEnum):
    """Who is simulated: the paper's rule, or the same boxes with errors."""

    IDEAL = "ideal"
    CROWD = "crowd"


def ideal_boxes(reference: NDArray[np.bool_]) -> dict[int, list[Box]]:
    """The boxes of the paper's rule for each slice of a boolean mask ``(z, y, x)`` that has any.

    At > 0.01 one voxel among 25 is enough, so the filter grows the mask by two voxels; regions that come to touch
    (also at a corner) share a box. Boxes are half-open, whole-voxel, inside the slice, in reading order.
    """
    boxes: dict[int, list[Box]] = {}
    for z in np.flatnonzero(reference.any(axis=(1, 2))):
        blurred = ndimage.uniform_filter(
            reference[z].astype(np.float64), size=_FILTER_VOXELS, mode="constant", cval=0.0
        )
        regions, _ = ndimage.label(blurred > _THRESHOLD, structure=_EIGHT_NEIGHBOURS)
        boxes[int(z)] = [
            Box(columns.start, rows.start, columns.stop, rows.stop)
            for rows, columns in ndimage.find_objects(regions)
        ]
    return boxes


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
) -> AnnotationDocument:
    """What the simulated annotator makes of one label: a track per run of consecutive boxes.

    Every slice of a track is a keyframe with source ``simulated``. No slice is marked absent: where there is no box
    the slice stays unknown.

    Args:
        reference: boolean mask ``(z, y, x)`` of the label.
        annotator: ``ideal`` takes no notice of ``jitter_mm`` and ``rng``.
        grid: of the reference; gives spacing and slice size.
        rng: source of the errors.
        jitter_mm: standard deviation of the error of each edge, in mm.

    Raises:
        InvalidInput: ``option_invalid`` as for ``jitter``.
    """
    boxes = ideal_boxes(reference)
    if annotator is Annotator.CROWD:
        boxes = jitter(boxes, jitter_mm=jitter_mm, spacing=grid.spacing, size=grid.size, rng=rng)
    return document_from_boxes(grid.shape, boxes, source=BoxSource.SIMULATED)


def _whole_voxels(low: float, high: float, length: int) -> tuple[int, int]:
    """Two edges on whole voxels (halves up), in order, inside 0..length, at least one voxel apart."""
    first, last = sorted((math.floor(low + 0.5), math.floor(high + 0.5)))
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)
