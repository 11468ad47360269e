"""How much of a loss is slices that nobody boxed: what a mask lost, split; and an estimate where there is no reference.

A mask that is made from boxes loses twice: on slices without a box it is empty, and on the others the model errs.
With D the volume Dice, C the share of the reference on slices with a box, and D' the Dice of all voxels on those slices:

* ``unboxed`` = 1 - 2 C / (1 + C): what a perfect model would lose by the slices without a box;
* ``model`` = 1 - D': what this model loses on the slices with a box;
* ``rest`` = (1 - D) - ``unboxed`` - ``model``: what neither explains, because both losses meet in one mask.

The three add up to 1 - D exactly, for each mask and for means over masks.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.geometry import Box

Mask = NDArray[np.bool_]

TAPER_SLICES = 5
"""From how many slices at an end the estimate takes the rate at which a label tapers off."""
REACH = 0.25
"""How far beyond an end the estimate goes at most, as a share of the slices with a box: as 3D completion."""


@dataclass(frozen=True, slots=True)
class LossSplit:
    """The loss of one mask of one label, split as the module says. All NaN when the reference has no voxel.

    Attributes:
        volume_dice: D.
        coverage: C, 0..1.
        covered_dice: D'; NaN when no slice has a box.
    """

    volume_dice: float
    coverage: float
    covered_dice: float

    @property
    def loss(self) -> float:
        return 1 - self.volume_dice

    @property
    def unboxed(self) -> float:
        return 1 - 2 * self.coverage / (1 + self.coverage)

    @property
    def model(self) -> float:
        """0 where no slice has a box: the model was never asked."""
        if math.isnan(self.covered_dice) and not math.isnan(self.volume_dice):
            return 0.0
        return 1 - self.covered_dice

    @property
    def rest(self) -> float:
        return self.loss - self.unboxed - self.model


def split_loss(predicted: Mask, reference: Mask, covered: Collection[int]) -> LossSplit:
    """Split the loss of a mask against a reference, both boolean ``(z, y, x)``.

    Args:
        covered: slices on which the model had a box of the label.
    """
    in_reference = np.count_nonzero(reference, axis=(1, 2))
    if not in_reference.any():
        return LossSplit(math.nan, math.nan, math.nan)
    in_predicted = np.count_nonzero(predicted, axis=(1, 2))
    in_both = np.count_nonzero(predicted & reference, axis=(1, 2))
    on = np.zeros(len(in_reference), dtype=bool)
    on[list(covered)] = True
    sizes = in_predicted + in_reference
    return LossSplit(
        volume_dice=float(2 * in_both.sum() / sizes.sum()),
        coverage=float(in_reference[on].sum() / in_reference.sum()),
        covered_dice=float(2 * in_both[on].sum() / sizes[on].sum()) if sizes[on].any() else math.nan,
    )


@dataclass(frozen=True, slots=True)
class CoverageEstimate:
    """How much of a label probably lies on slices without a box, by the masks of the others; in voxels.

    Attributes:
        boxed: of the masks on slices with a box.
        holes: on slices between the first and the last with a box, linear between the areas on both sides.
        ends: beyond the first and the last, where the area tapers off at the rate of the last ``TAPER_SLICES`` slices
            until it is gone, at most ``REACH`` of the boxed length. 0 where it does not taper: then nothing says how far
            the label goes on.
    """

    boxed: float
    holes: float
    ends: float

    @property
    def coverage(self) -> float:
        """Share, 0..1, on slices with a box; NaN when there is no mask."""
        total = self.boxed + self.holes + self.ends
        return self.boxed / total if total else math.nan


def estimate_coverage(areas: NDArray[np.int64], covered: Collection[int]) -> CoverageEstimate:
    """Estimate without a reference, from the areas of the masks.

    Args:
        areas: voxels of the label's mask on each slice, ``(nz,)``.
        covered: slices with a box of the label.
    """
    slices = np.array(sorted(covered), dtype=np.int64)
    if not slices.size:
        return CoverageEstimate(0.0, 0.0, 0.0)
    known = areas[slices].astype(np.float64)
    between = np.setdiff1d(np.arange(slices[0], slices[-1] + 1), slices)
    furthest = math.ceil(REACH * len(slices))
    ends = 0.0
    for at_end, inwards, room in (
        (known[0], known[:TAPER_SLICES], int(slices[0])),
        (known[-1], known[::-1][:TAPER_SLICES], int(len(areas) - 1 - slices[-1])),
    ):
        rate = _slope(inwards)
        if rate > 0:
            beyond = at_end - rate * np.arange(1, min(furthest, room) + 1)
            ends += float(beyond[beyond > 0].sum())
    holes = float(np.interp(between, slices, known).sum()) if between.size else 0.0
    return CoverageEstimate(float(known.sum()), holes, ends)


def share_in_boxes(mask: Mask, boxes: Mapping[int, Sequence[Box]]) -> float:
    """Share, 0..1, of a mask's voxels ``(z, y, x)`` whose centres lie in a box of their slice; NaN for an empty mask."""
    total = int(mask.sum())
    held = 0
    for z, on_slice in boxes.items():
        inside = np.zeros(mask.shape[1:], dtype=bool)
        for box in on_slice:
            inside[_centres(box.y0, box.y1), _centres(box.x0, box.x1)] = True
        held += int((mask[z] & inside).sum())
    return held / total if total else math.nan


def _slope(values: NDArray[np.float64]) -> float:
    """Of a straight line through values at 0, 1, 2, ... (least squares); 0 for a single one."""
    if len(values) < 2:
        return 0.0
    at = np.arange(len(values)) - (len(values) - 1) / 2
    return float((at * values).sum() / (at**2).sum())


def _centres(low: float, high: float) -> slice:
    """The voxels whose centres lie between two edges."""
    return slice(max(0, math.ceil(low - 0.5)), max(0, math.ceil(high - 0.5)))
