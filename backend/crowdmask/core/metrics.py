"""How well a mask agrees with a reference: overlap, distance of the surfaces, size, and how much of it was looked at.

Dice of two sets of voxels P and R is 2 |P and R| / (|P| + |R|). It is undefined when both are empty; then every
function here gives NaN, never 1 and never 0, so that an average over labels has to say what it does with them.

The three scores differ only in what is averaged:

* ``volume_dice``: one Dice over all voxels of the volume;
* ``slice_dice``: the mean of the Dice of each slice that has a prediction (the paper's slice score). Slices the
  prediction misses altogether do not count, so it says nothing about completeness;
* ``slice_dice_all``: the mean over slices with a prediction or a reference; a missed slice counts as 0.

The others:

* ``hd95_mm``: the 95th percentile of the distances between the surfaces, the larger of the two directions;
* ``nsd_2mm``: the share of both surfaces that lies within 2 mm of the other (normalised surface Dice). Both:
  ``core.surfaces``;
* ``volume_error``: (predicted - reference) / reference in voxels; negative when the prediction is too small;
* ``coverage``: the share of the reference's voxels that lie on slices with a prediction of the label. What the paper
  lacks and a loss of completeness is measured by: 1 - coverage is the share of the organ on slices that nobody boxed.
  It says nothing about how good the masks on those slices are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.slice_overlap import SliceOverlap, SliceRule
from crowdmask.core.surfaces import Mask, Spacing, surface_distances


@dataclass(frozen=True, slots=True)
class Scores:
    """The agreement of one label. A score is NaN when undefined; the counts say on what they rest.

    Attributes:
        volume_dice: over all voxels; NaN when neither mask has a voxel.
        slice_dice: mean over ``slices_predicted`` slices; NaN when there is none.
        slice_dice_all: mean over ``slices_either`` slices; NaN when there is none.
        hd95_mm: in mm; NaN unless both masks have a voxel.
        nsd_2mm: 0 when one mask is empty; NaN when both are.
        coverage, volume_error: NaN when the reference has no voxel.
        predicted_voxels, reference_voxels: size of the two masks.
        slices_predicted, slices_reference, slices_either: slices with a voxel of the prediction, of the
            reference, of at least one of them.
        slices: the voxels on each slice.
    """

    volume_dice: float
    slice_dice: float
    slice_dice_all: float
    hd95_mm: float
    nsd_2mm: float
    coverage: float
    volume_error: float
    predicted_voxels: int
    reference_voxels: int
    slices_predicted: int
    slices_reference: int
    slices_either: int
    slices: SliceOverlap


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


def score(predicted: Mask, reference: Mask, spacing: Spacing | None = None) -> Scores:
    """All scores of two boolean masks ``(z, y, x)`` of the same grid.

    Args:
        spacing: (dx, dy, dz) in mm. Without it what is measured in mm is NaN and costs no time.

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
    slices = SliceOverlap.of(in_predicted, in_reference, in_both)
    n_predicted, n_reference = int(in_predicted.sum()), int(in_reference.sum())
    hd95_mm = nsd_2mm = float("nan")
    if spacing is not None:
        distances = surface_distances(predicted, reference, spacing)
        hd95_mm, nsd_2mm = distances.hausdorff(), distances.surface_dice()
    return Scores(
        volume_dice=float(2.0 * in_both.sum() / sizes.sum()) if either.any() else float("nan"),
        slice_dice=_mean(slices.dice(SliceRule.PREDICTED)),
        slice_dice_all=_mean(slices.dice(SliceRule.EITHER)),
        hd95_mm=hd95_mm,
        nsd_2mm=nsd_2mm,
        coverage=_share(int(in_reference[in_predicted > 0].sum()), n_reference),
        volume_error=_share(n_predicted - n_reference, n_reference),
        predicted_voxels=n_predicted,
        reference_voxels=n_reference,
        slices_predicted=int(np.count_nonzero(in_predicted)),
        slices_reference=int(np.count_nonzero(in_reference)),
        slices_either=int(np.count_nonzero(either)),
        slices=slices,
    )


def evaluate(
    predicted: NDArray[Any],
    reference: NDArray[Any],
    indices: Iterable[int] | None = None,
    spacing: Spacing | None = None,
) -> dict[int, Scores]:
    """The scores of each label of two label maps ``(z, y, x)`` (integers, 0 = background).

    Args:
        predicted: label map of the prediction.
        reference: label map on the same grid.
        indices: labels to score; by default those present in at least one of the two.
        spacing: (dx, dy, dz) in mm, as for ``score``.

    Returns:
        Scores by label integer, ascending.

    Raises:
        Conflict: ``grid_mismatch`` when the shapes differ.
    """
    if indices is None:
        indices = labels_present(predicted) | labels_present(reference)
    return {index: score(predicted == index, reference == index, spacing) for index in sorted(set(indices))}


def labels_present(labels: NDArray[Any]) -> set[int]:
    """The integers other than 0 in a label map of any shape."""
    return {int(value) for value in np.unique(labels) if value != 0}


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
