"""How sure one can be of a mask without knowing the truth: per voxel, slice and volume, and what that says of its Dice.

Three signs, each of one label on one slice:

* ``predicted_iou``: the model's own guess of its mask, the lowest of the boxes. Free.
* ``entropy``: how undecided the model is, in bits for each voxel of the mask. Free.
* ``agreement``: how alike the masks of slightly different boxes are (SAM-U: Deng et al., arXiv 2307.04973). Costs a
  decoding for each of those boxes.

A fourth, the agreement of several annotators' masks, is the same function of other masks. What the signs mean is measured:
a `Calibration` gives the Dice that slices like this one had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]
Probabilities = NDArray[np.floating[Any]]

_PRIOR = 1.0  # of the weights of standardised signs, as heavy as a few slices
_SMALLEST_SCALE = 1e-6
_BIT = 100  # of the map of entropies
_SURE_LOGIT = 8.0


class Sign(StrEnum):
    """What tells a good mask from a bad one."""

    PREDICTED_IOU = "predicted_iou"
    ENTROPY = "entropy"
    AGREEMENT = "agreement"


def entropy(probability: Probabilities) -> Floats:
    """The binary entropy of each probability in bits: 0 where the model is certain, 1 at a half. Any shape."""
    p = np.clip(probability, 1e-7, 1 - 1e-7).astype(np.float64)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def entropy_map(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The entropy of each voxel in hundredths of a bit, 0..100, from a mask's logits (any shape; in the mask where > 0)."""
    found = np.zeros(logits.shape, dtype=np.uint8)
    # Further away it rounds to 0, which is nearly everywhere: the logarithms are what costs time.
    near = np.abs(logits) < _SURE_LOGIT
    found[near] = np.rint(_BIT * entropy(expit(logits[near])))
    return found


def entropy_per_voxel(probability: Probabilities) -> float:
    """All entropy of a slice in bits, for each voxel of its mask; NaN when no probability is above a half.

    Entropy lies along the outline, so the same doubt about its outline counts more for a small or ragged mask than for a
    large round one, as it does for the Dice.
    """
    voxels = int(np.count_nonzero(probability > 0.5))
    return float(entropy(probability).sum() / voxels) if voxels else float("nan")


def agreement(masks: Sequence[NDArray[np.bool_]]) -> float:
    """The mean Dice of all pairs of masks of one shape; two empty ones agree. NaN for fewer than two masks."""
    pairs = list(combinations(masks, 2))
    if not pairs:
        return float("nan")
    return float(np.mean([_dice(one, other) for one, other in pairs]))


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / total if total else 1.0


def disagreement_map(masks: Sequence[NDArray[np.bool_]]) -> Floats:
    """Per voxel the entropy in bits of being in the mask, over several masks of one shape: 1 where half of them say so."""
    return entropy(np.mean(np.stack(masks), axis=0))


@dataclass(frozen=True)
class Calibration:
    """The Dice to expect of a label on one slice: logistic in the predicted IoU and the size of its boxes.

    A model is surer of small things than it should be, so the size says what the predicted IoU leaves out. Both are free.

    Attributes:
        intercept, predicted_iou, log2_mm2: the weights of 1, of the predicted IoU, and of log2 of the boxes' area in mm2.
        provenance: what it was fitted on.
    """

    intercept: float
    predicted_iou: float
    log2_mm2: float
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def expected_dice(self, predicted_iou: float, area_mm2: float) -> float:
        """0..1; ``area_mm2`` > 0 is that of all boxes of the label on the slice together."""
        return float(
            expit(self.intercept + self.predicted_iou * predicted_iou + self.log2_mm2 * np.log2(area_mm2))
        )

    @classmethod
    def fit(
        cls,
        predicted_iou: Floats,
        area_mm2: Floats,
        dice: Floats,
        *,
        provenance: Mapping[str, Any] | None = None,
    ) -> Self:
        """By `fit_logistic`. Arrays ``(n,)``, of the same slices, n > 0, without NaN."""
        intercept, weights = fit_logistic(np.stack([predicted_iou, np.log2(area_mm2)], axis=1), dice)
        return cls(
            intercept=round(intercept, 4),
            predicted_iou=round(float(weights[0]), 4),
            log2_mm2=round(float(weights[1]), 4),
            provenance=dict(provenance or {}),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "predicted_iou": self.predicted_iou,
            "log2_mm2": self.log2_mm2,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; of our own files only."""
        return cls(
            document["intercept"], document["predicted_iou"], document["log2_mm2"], document["provenance"]
        )


def fit_logistic(signs: Floats, share: Floats) -> tuple[float, Floats]:
    """The intercept and the weights ``(k,)`` of signs ``(n, k)`` under which shares ``(n,)``, 0..1, are most likely.

    Slightly drawn towards 0, so that few or equal rows give a flat answer and not an extreme one. n > 0, without NaN.
    """
    centre = signs.mean(axis=0)
    scale = np.maximum(signs.std(axis=0), _SMALLEST_SCALE)
    rows = np.column_stack([np.ones(len(signs)), (signs - centre) / scale])

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = rows @ weights
        drawn = np.concatenate([[0.0], weights[1:]])
        value = np.logaddexp(0, logits).sum() - share @ logits + _PRIOR * (drawn**2).sum()
        return float(value), rows.T @ (expit(logits) - share) + 2 * _PRIOR * drawn

    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[1:] / scale
    return float(found[0] - weights @ centre), weights


def auc(scores: Floats, is_bad: NDArray[np.bool_]) -> float:
    """How well low scores find the bad ones: the chance that a bad one has a lower score than a good one, ties counting
    half (the area under the ROC curve). ``(n,)`` each; NaN unless there are both.
    """
    bad, good = np.sort(scores[is_bad]), scores[~is_bad]
    if not (len(bad) and len(good)):
        return float("nan")
    below = np.searchsorted(bad, good, side="left")
    tied = np.searchsorted(bad, good, side="right") - below
    return float((below + tied / 2).sum() / (len(bad) * len(good)))
