"""Two sets of scores of the same cases, column by column."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.statistics import Summary, compare, holm, summary

Columns = Mapping[str, Mapping[Hashable, float]]
"""Scores by the column's name and by the case; NaN where undefined. A case that a column does not have is not scored."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One column of both sets.

    Attributes:
        a, b: each over all of its defined values of the cases that are in both.
        p: two-sided Wilcoxon signed-rank test over the ``pairs`` cases where both are defined, those without a
            difference dropped; NaN when no two differ.
        p_holm: ``p`` corrected for the number of columns.
        only_a, only_b: how many cases only one of the sets has; they are left out.
    """

    a: Summary
    b: Summary
    p: float
    p_holm: float
    pairs: int
    only_a: int
    only_b: int


def compare_columns(a: Columns, b: Columns) -> dict[str, Compared]:
    """Compare the columns that both sets have, over the cases that both have in them; in the order of ``a``.

    Raises:
        Conflict: ``scores_invalid`` when they have no column, or in none of them a case, in common.
    """
    names = [name for name in a if name in b and not a[name].keys().isdisjoint(b[name].keys())]
    if not names:
        raise Conflict(
            ErrorCode.SCORES_INVALID,
            "The two sets of scores have no case of the same column in common.",
            hint="Compare scores of the same cases; cases and columns are matched by their names, letter by letter.",
        )
    found = [_compared(a[name], b[name]) for name in names]
    corrected = holm([one.p for one in found])
    return {
        name: replace(one, p_holm=p_holm) for name, one, p_holm in zip(names, found, corrected, strict=True)
    }


def mean_of_columns(a: Columns, b: Columns) -> tuple[dict[Hashable, float], dict[Hashable, float]]:
    """For each case the mean over its columns, of ``a`` and of ``b``, over those columns alone that both define.

    So a case counts with the same columns on both sides; one without such a column is left out.
    """
    pairs: dict[Hashable, list[tuple[float, float]]] = {}
    for name in a.keys() & b.keys():
        for case in a[name].keys() & b[name].keys():
            pair = (a[name][case], b[name][case])
            if not any(math.isnan(value) for value in pair):
                pairs.setdefault(case, []).append(pair)
    means = {case: np.mean(values, axis=0).tolist() for case, values in pairs.items()}
    return {case: left for case, (left, _) in means.items()}, {
        case: right for case, (_, right) in means.items()
    }


def _compared(a: Mapping[Hashable, float], b: Mapping[Hashable, float]) -> Compared:
    """As if it were the only column."""
    cases = [case for case in a if case in b]
    left, right = np.array([a[case] for case in cases]), np.array([b[case] for case in cases])
    made = compare(left, right)
    return Compared(
        a=summary(left),
        b=summary(right),
        p=made.p,
        p_holm=made.p,
        pairs=made.pairs,
        only_a=len(a) - len(cases),
        only_b=len(b) - len(cases),
    )
