"""Means with intervals and paired comparisons, as the paper reports them and as one would rather have them.

The paper (Kulkarni et al., arXiv 2402.05713) gives mean ± 1.96 · population standard deviation / sqrt(n) and the p of a
two-sided Wilcoxon signed-rank test. Beside them stand here a bootstrap interval, which does not assume a normal
distribution of values that end at 1, and p-values that Holm's method corrects for the number of comparisons.

Undefined scores are NaN: they are left out and counted, never replaced. Arrays are float64 ``(n,)``. ``scipy.stats``
is imported inside: a server does not need it to start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput

Values = NDArray[np.float64]

_NORMAL_95 = 1.96
BOOTSTRAP_SAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of what is defined.

    Attributes:
        mean: NaN when nothing is defined.
        ci: half the width of the 95 % interval of the normal approximation, with the population standard deviation.
        n: how many values are defined.
        undefined: how many are not.
    """

    mean: float
    ci: float
    n: int
    undefined: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two scores of the same cases.

    Attributes:
        a, b: each over all of its defined values.
        p: two-sided Wilcoxon signed-rank test over the cases where both are defined; NaN when no two differ.
        pairs: how many cases that are.
    """

    a: Mean
    b: Mean
    p: float
    pairs: int


def mean(values: Values) -> Mean:
    """Mean and 95 % interval of the defined values."""
    defined = values[~np.isnan(values)]
    n = len(defined)
    if n == 0:
        return Mean(float("nan"), float("nan"), 0, len(values))
    ci = _NORMAL_95 * float(defined.std()) / float(np.sqrt(n))
    return Mean(float(defined.mean()), ci, n, len(values) - n)


def bootstrap(values: Values, rng: np.random.Generator) -> tuple[float, float]:
    """Low and high end of the 95 % percentile bootstrap interval of the mean; NaN when nothing is defined."""
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    drawn = rng.integers(0, len(defined), (BOOTSTRAP_SAMPLES, len(defined)))
    low, high = np.percentile(defined[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def compare(a: Values, b: Values) -> Comparison:
    """``a[i]`` and ``b[i]`` are scores of the same case.

    Raises:
        InvalidInput: ``scores_invalid`` when the lengths differ.
    """
    if len(a) != len(b):
        raise InvalidInput(
            ErrorCode.SCORES_INVALID,
            f"{len(a)} scores cannot be compared with {len(b)}: they need the same cases.",
        )
    both = ~np.isnan(a) & ~np.isnan(b)
    return Comparison(mean(a), mean(b), _wilcoxon(a[both], b[both]), int(both.sum()))


def _wilcoxon(a: Values, b: Values) -> float:
    """Cases without a difference are dropped, as Wilcoxon did; exact for few cases without ties."""
    from scipy import stats

    different = a != b
    if not different.any():
        return float("nan")
    return float(stats.wilcoxon(a[different], b[different]).pvalue)


def shapiro(values: Values) -> float:
    """p of the Shapiro-Wilk test that the defined values are normally distributed; NaN under three or all equal."""
    from scipy import stats

    defined = values[~np.isnan(values)]
    if len(defined) < 3 or np.ptp(defined) == 0:
        return float("nan")
    return float(stats.shapiro(defined).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in the order given; an undefined one stays and is not counted."""
    order = sorted((p, at) for at, p in enumerate(p_values) if not np.isnan(p))
    corrected = [float("nan")] * len(p_values)
    highest = 0.0
    for rank, (p, at) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        corrected[at] = highest
    return corrected
