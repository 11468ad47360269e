"""How well a mask agrees with a reference: the Dice coefficient over volumes and over slices.

Dice of two sets of voxels P and R is 2 |P and R| / (|P| + |R|). It is undefined when both are empty; then every
function here gives NaN, never 1 and never 0, so that an average over labels has to say what it does with them.

The three scores differ only in what is averaged:

* ``volume_dice``: one Dice over all voxels of the volume;
* ``slice_dice``: the mean of the Dice of each slice that has a prediction (the paper's slice score). Slices the
  prediction misses altogether do not count, so it says nothing about completeness;
* ``slice_dice_all``: the mean over slices with a prediction or a reference; a missed slice counts as 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Conflict, ErrorCode

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scores:
    """The agreement of one label. Scores are 0..1, or NaN when undefined; the counts say on what they rest.

    Attributes:
        volume_dice: over all voxels; NaN when neither mask has a voxel.
        slice_dice: mean over ``slices_predicted`` slices; NaN when there is none.
        slice_dice_all: mean over ``slices_either`` slices; NaN when there is none.
        predicted_voxels, reference_voxels: size of the two masks.
        slices_predicted, slices_reference, slices_either: slices with a voxel of the prediction, of the
            reference, of at least one of them.
    """

    volume_dice: float
    slice_dice: float
    slice_dice_all: float
    predicted_voxels: int
    reference_voxels: int
    slices_predicted: int
    slices_reference: int
    slices_either: int


def volume_dice(predicted: Mask, reference: Mask) -> float:
    """Dice over all voxels of two boolean masks ``(z, y, x)``; NaN when both are empty.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    return score(predicted, reference).volume_dice


def slice_dice(predicted: Mask, reference: Mask) -> float:
    """Mean Dice over the slices ``z`` with a predicted voxel; NaN when there is none.

    A predicted slice without reference counts as 0; a reference slice without prediction does not count.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    return score(predicted, reference).slice_dice


def slice_dice_all(predicted: Mask, reference: Mask) -> float:
    """Mean Dice over the slices ``z`` with a voxel of either mask; NaN when there is none.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    return score(predicted, reference).slice_dice_all


def score(predicted: Mask, reference: Mask) -> Scores:
    """All scores of two boolean masks ``(z, y, x)`` of the same grid.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    if predicted.shape != reference.shape:
        raise Conflict(
            ErrorCode.GRID_MISMATCH,
            f"The prediction has the shape {predicted.shape} and the reference {reference.shape} (z, y, x).",
            hint="Compare masks of the same volume.",
        )
    predicted, reference = predicted.astype(bool, copy=False), reference.astype(bool, copy=False)
    in_predicted = np.count_nonzero(predicted, axis=(1, 2))
    in_reference = np.count_nonzero(reference, axis=(1, 2))
    in_both = np.count_nonzero(predicted & reference, axis=(1, 2))
    sizes = in_predicted + in_reference
    either = sizes > 0
    per_slice = np.full(len(sizes), np.nan)
    np.divide(2.0 * in_both, sizes, out=per_slice, where=either)
    return Scores(
        volume_dice=float(2.0 * in_both.sum() / sizes.sum()) if either.any() else float("nan"),
        slice_dice=_mean(per_slice[in_predicted > 0]),
        slice_dice_all=_mean(per_slice[either]),
        predicted_voxels=int(in_predicted.sum()),
        reference_voxels=int(in_reference.sum()),
        slices_predicted=int(np.count_nonzero(in_predicted)),
        slices_reference=int(np.count_nonzero(in_reference)),
        slices_either=int(np.count_nonzero(either)),
    )


def evaluate(
    predicted: NDArray[Any], reference: NDArray[Any], indices: Iterable[int] | None = None
) -> dict[int, Scores]:
    """The scores of each label of two label maps ``(z, y, x)`` (integers, 0 = background).

    Args:
        predicted: label map of the prediction.
        reference: label map on the same grid.
        indices: labels to score; by default those present in at least one of the two.

    Returns:
        Scores by label integer, ascending.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    if indices is None:
        indices = labels_present(predicted) | labels_present(reference)
    return {index: score(predicted == index, reference == index) for index in sorted(set(indices))}


def labels_present(labels: NDArray[Any]) -> set[int]:
    """The integers other than 0 in a label map of any shape."""
    return {int(value) for value in np.unique(labels) if value != 0}


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")
