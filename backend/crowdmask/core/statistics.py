"""Means with intervals and paired comparisons, as the paper reports them and as one would rather have them.

The paper (Kulkarni et al., arXiv 2402.05713) gives mean ± 1.96 · population standard deviation / sqrt(n) and the p of a
two-sided Wilcoxon signed-rank test. Beside them stand here a bootstrap interval, which does not assume a normal
distribution of values that end at 1, and p-values that Holm's method corrects for the number of comparisons.

Undefined scores are NaN: they are left out and counted, never replaced. Arrays are float64 ``(n,)``. ``scipy.stats``
is imported inside: a server does not need it to start.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput

Values = NDArray[np.float64]

_NORMAL_95 = 1.96
# Pairs with ties of which SciPy walks through all signs: 2**13 ways are fewer than the samples it would draw else.
_MOST_ENUMERATED = 13
BOOTSTRAP_SAMPLES = 10_000
_SEED = 20240208  # any: the same values have the same interval on every page
_DRAWN_AT_ONCE = 1 << 20


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


def defined(value: float) -> float | None:
    """None for NaN, which neither JSON nor the database knows."""
    return None if math.isnan(value) else value


def mean(values: Values) -> Mean:
    """Mean and 95 % interval of the defined values."""
    defined = values[~np.isnan(values)]
    n = len(defined)
    if n == 0:
        return Mean(float("nan"), float("nan"), 0, len(values))
    ci = _NORMAL_95 * float(defined.std()) / float(np.sqrt(n))
    return Mean(float(defined.mean()), ci, n, len(values) - n)


def mean_of_defined(values: Values) -> Values:
    """The mean over the first axis of what is defined there; NaN where nothing is."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    return np.where(counts > 0, np.where(defined, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def bootstrap(values: Values, rng: np.random.Generator) -> tuple[float, float]:
    """Low and high end of the 95 % percentile bootstrap interval of the mean; NaN when nothing is defined."""
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    n = len(defined)
    means = np.empty(BOOTSTRAP_SAMPLES)
    step = max(1, _DRAWN_AT_ONCE // n)
    for first in range(0, BOOTSTRAP_SAMPLES, step):
        some = means[first : first + step]
        some[:] = defined[rng.integers(0, n, (len(some), n), dtype=np.uint32)].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Summary:
    """All that stands beside a mean: the paper's interval, a bootstrap interval, and whether the values look normal.

    Attributes:
        mean: with the paper's interval, and the counts.
        low, high: 95 % bootstrap interval of the mean; NaN when nothing is defined.
        shapiro_p: of the Shapiro-Wilk test; NaN where it says nothing.
    """

    mean: Mean
    low: float
    high: float
    shapiro_p: float


def summary(values: Iterable[float]) -> Summary:
    """The summary of values in any order, NaN where undefined; of the same values always the same one."""
    listed = [float(value) for value in values]
    defined = sorted(value for value in listed if not math.isnan(value))
    return _summary(tuple(defined), len(listed) - len(defined))


@lru_cache(maxsize=4096)  # a page asks again and again for the same few, and each draws 10,000 samples
def _summary(defined: tuple[float, ...], undefined: int) -> Summary:
    values = np.array(defined + (math.nan,) * undefined)
    low, high = bootstrap(values, np.random.default_rng(_SEED))
    return Summary(mean(values), low, high, shapiro(values))


@dataclass(frozen=True, slots=True)
class Differences:
    """How two measurements of the same things differ (Bland and Altman 1986).

    Attributes:
        mean: of a - b over the ``n`` pairs that are defined; NaN when there is none.
        low, high: limits of agreement, mean ± 1.96 · sample standard deviation; NaN under two pairs.
    """

    mean: float
    low: float
    high: float
    n: int


def bland_altman(a: Values, b: Values) -> Differences:
    """``a[i]`` and ``b[i]`` measure the same thing.

    Raises:
        InvalidInput: ``scores_invalid`` when the lengths differ.
    """
    _check_same_length(a, b)
    differences = (a - b)[~np.isnan(a) & ~np.isnan(b)]
    n = len(differences)
    if n == 0:
        return Differences(math.nan, math.nan, math.nan, 0)
    middle = float(differences.mean())
    around = _NORMAL_95 * float(differences.std(ddof=1)) if n > 1 else math.nan
    return Differences(middle, middle - around, middle + around, n)


def compare(a: Values, b: Values) -> Comparison:
    """``a[i]`` and ``b[i]`` are scores of the same case.

    Raises:
        InvalidInput: ``scores_invalid`` when the lengths differ.
    """
    _check_same_length(a, b)
    both = ~np.isnan(a) & ~np.isnan(b)
    return Comparison(mean(a), mean(b), _wilcoxon(a[both], b[both]), int(both.sum()))


def _check_same_length(a: Values, b: Values) -> None:
    if len(a) != len(b):
        raise InvalidInput(
            ErrorCode.SCORES_INVALID,
            f"{len(a)} scores cannot be compared with {len(b)}: they need the same cases.",
        )


def _wilcoxon(a: Values, b: Values) -> float:
    """Cases without a difference are dropped, as Wilcoxon did; exact for few cases (50; 13 with ties).

    SciPy's test, but for few cases with ties, where that walks through all the signs one by one: the same permutation test
    with all of them ranked in one call, thirty times as quick.
    """
    from scipy import stats

    differences = (a - b)[a != b]
    n = len(differences)
    if n == 0:
        return float("nan")
    if n > _MOST_ENUMERATED or len(np.unique(np.abs(differences))) == n:
        return float(stats.wilcoxon(differences).pvalue)
    return float(
        stats.permutation_test(
            (differences,), _positive_ranks, permutation_type="samples", vectorized=True
        ).pvalue
    )


def _positive_ranks(differences: Values, axis: int) -> Values:
    """Wilcoxon's statistic: the sum of the ranks of what is above zero."""
    from scipy import stats

    ranks: Values = stats.rankdata(np.abs(differences), axis=axis)
    above: Values = np.sum(ranks * (differences > 0), axis=axis)
    return above


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
