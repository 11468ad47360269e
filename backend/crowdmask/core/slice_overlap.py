"""How a mask and its reference overlap on each slice: what the Dice of single slices, and tests over them, come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class SliceRule(StrEnum):
    """Which slices have a Dice: those with a predicted voxel, or those with a voxel of either mask (a missed one is 0).

    A member is called like the score of ``core.metrics`` that is the mean over these slices.
    """

    PREDICTED = "slice_dice"
    EITHER = "slice_dice_all"


@dataclass(frozen=True, slots=True)
class SliceOverlap:
    """Counts of voxels on the slices ``first``, ``first + 1``, ... of a volume; the slices around hold no voxel of either.

    Counts and not the Dice are kept: they are exact, short, and tell a slice that was missed from one that was not.

    Attributes:
        predicted, reference, both: voxels of the one, of the other, of both at once; a number per slice.
    """

    first: int
    predicted: tuple[int, ...]
    reference: tuple[int, ...]
    both: tuple[int, ...]

    @classmethod
    def of(cls, predicted: NDArray[np.intp], reference: NDArray[np.intp], both: NDArray[np.intp]) -> Self:
        """Of the counts on every slice of a volume, integers ``(z,)``."""
        used = np.flatnonzero(predicted + reference)
        if used.size == 0:
            return cls(0, (), (), ())
        kept = slice(int(used[0]), int(used[-1]) + 1)
        return cls(
            kept.start,
            tuple(predicted[kept].tolist()),
            tuple(reference[kept].tolist()),
            tuple(both[kept].tolist()),
        )

    def dice(self, rule: SliceRule) -> NDArray[np.float64]:
        """The Dice of each slice from 0 to the last one listed, NaN where the rule gives it none."""
        predicted, reference, both = (np.array(one) for one in (self.predicted, self.reference, self.both))
        sizes = predicted + reference
        counted = predicted > 0 if rule is SliceRule.PREDICTED else sizes > 0
        found = np.full(self.first + len(sizes), np.nan)
        np.divide(2.0 * both, sizes, out=found[self.first :], where=counted)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "predicted": list(self.predicted),
            "reference": list(self.reference),
            "both": list(self.both),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            int(stored["first"]),
            tuple(stored["predicted"]),
            tuple(stored["reference"]),
            tuple(stored["both"]),
        )
