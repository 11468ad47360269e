"""Two sets of scores of the same cases, column by column."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.statistics import Mean, Summary, Values, compare, holm, mean_of_defined, summary

SLICES_NOT_INDEPENDENT = (
    "Slices of one scan are not independent: a p over slices takes them for so many cases and is too small. It stands beside "
    "the p over scans because the paper tests slices so (Table 3), and proves nothing by itself."
)

Columns = Mapping[str, Mapping[Hashable, float]]
"""Scores by the column's name and by the case; NaN where undefined. A case that a column does not have is not scored."""


SliceColumns = Mapping[str, Mapping[Hashable, Values]]
"""The score of each slice by the column's name and by the case: float64 ``(z,)``, NaN where a slice has none. Arrays may end
with the last slice that has one."""


@dataclass(frozen=True, slots=True)
class SliceTest:
    """One column of both sets over single slices, taken for independent as in the paper (``SLICES_NOT_INDEPENDENT``).

    Attributes:
        a, b: of the ``pairs`` slices where both are defined.
        p: two-sided Wilcoxon signed-rank test over these; NaN when no two differ.
        cases: to how many cases the slices belong.
    """

    a: Mean
    b: Mean
    p: float
    pairs: int
    cases: int


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


def compare_slices(a: SliceColumns, b: SliceColumns) -> dict[str, SliceTest]:
    """Compare the columns that both sets have slice by slice, over the cases that both have in them; in the order of ``a``.

    A column without such a case is not in the answer.
    """
    found = {}
    for name in a:
        cases = [case for case in a[name] if case in b.get(name, {})]
        pairs = [padded([a[name][case], b[name][case]]) for case in cases]
        if pairs:
            found[name] = _slice_test(pairs)
    return found


def compare_mean_slices(a: SliceColumns, b: SliceColumns) -> SliceTest | None:
    """As ``compare_slices``, over the mean of a slice's columns, of those that both define there; None without a case."""
    by_case: dict[Hashable, list[Values]] = {}
    for name in a:
        for case in a[name]:
            if case in b.get(name, {}):
                by_case.setdefault(case, []).append(padded([a[name][case], b[name][case]]))
    if not by_case:
        return None
    pairs = []
    for columns in by_case.values():
        longest = max(one.shape[1] for one in columns)
        stacked = np.full((len(columns), 2, longest), np.nan)
        for at, one in enumerate(columns):
            stacked[at, :, : one.shape[1]] = np.where(np.isnan(one).any(axis=0), np.nan, one)
        pairs.append(mean_of_defined(stacked))
    return _slice_test(pairs)


def mean_by_slice(values: Sequence[Values]) -> Values:
    """Slice by slice the mean of what is defined."""
    return values[0] if len(values) == 1 else mean_of_defined(padded(values))


def padded(values: Sequence[Values]) -> Values:
    """One row for each, NaN behind its end: ``(len(values), longest)``."""
    rows = np.full((len(values), max((len(one) for one in values), default=0)), np.nan)
    for row, one in zip(rows, values, strict=True):
        row[: len(one)] = one
    return rows


def _slice_test(pairs: Sequence[Values]) -> SliceTest:
    """``pairs``: of each case ``(2, z)``, the slices of both sets."""
    kept = [one[:, ~np.isnan(one).any(axis=0)] for one in pairs]
    left, right = np.concatenate(kept, axis=1)
    made = compare(left, right)
    return SliceTest(made.a, made.b, made.p, made.pairs, sum(one.shape[1] > 0 for one in kept))


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


def mean_of_cases(
    a: Columns, b: Columns, cases: Mapping[Hashable, Hashable]
) -> tuple[dict[str, dict[Hashable, float]], dict[str, dict[Hashable, float]]]:
    """Column by column the mean of each case over those of its rows that both define, NaN where there is none; ``cases``: of
    every row, its case."""
    left: dict[str, dict[Hashable, float]] = {}
    right: dict[str, dict[Hashable, float]] = {}
    for name in (name for name in a if name in b):
        pairs: dict[Hashable, list[tuple[float, float]]] = {}
        for row in (row for row in a[name] if row in b[name]):
            pair = (a[name][row], b[name][row])
            defined = not any(math.isnan(value) for value in pair)
            pairs.setdefault(cases[row], []).extend([pair] if defined else [])
        means = {
            case: np.mean(values, axis=0).tolist() if values else [math.nan, math.nan]
            for case, values in pairs.items()
        }
        left[name] = {case: one for case, (one, _) in means.items()}
        right[name] = {case: other for case, (_, other) in means.items()}
    return left, right


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
