"""The tables of the paper (Kulkarni et al., arXiv 2402.05713): a row per organ, a mean per arm, p for each two arms.

Means, intervals and tests are those of ``core.statistics``, the paper's own: mean ± 1.96 · population standard deviation /
sqrt(n), two-sided Wilcoxon signed-rank. The row of all labels takes the mean over the labels of each volume (or slice).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from crowdmask.core.csv_text import csv_text
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.markdown import inline
from crowdmask.core.statistics import Mean, Values, compare, defined, holm, mean, mean_of_defined

ALL = "all"


@dataclass(frozen=True, eq=False)
class Arm:
    """The scores of one way to make masks.

    Attributes:
        name: of the arm, such as a model.
        columns: by label, float64 ``(n,)``; row i is the same volume or slice in all columns and arms. NaN: undefined.
    """

    name: str
    columns: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class TableRow:
    """Attributes:
    means: of each arm.
    p, p_holm: of each pair of arms, the latter corrected for the number of labels; NaN where no two scores differ.
    """

    label: str
    means: tuple[Mean, ...]
    p: tuple[float, ...]
    p_holm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Attributes:
    key: name of its files, such as ``table2``.
    title, note: what stands above and below it.
    arms: their names; ``pairs`` are positions in it.
    """

    key: str
    title: str
    note: str
    arms: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    rows: tuple[TableRow, ...]


def paper_table(
    key: str, title: str, arms: Sequence[Arm], *, note: str = "", compared: bool = True
) -> PaperTable:
    """A table of arms with the same rows; ``compared``: with p for each pair of them.

    Raises:
        InvalidInput: ``scores_invalid`` when the arms have no label in common, or differ in length.
    """
    labels = [label for label in arms[0].columns if all(label in arm.columns for arm in arms)]
    if not labels:
        raise InvalidInput(
            ErrorCode.SCORES_INVALID,
            f"{title}: {', '.join(arm.name for arm in arms)} have no label in common.",
        )
    columns = [{label: arm.columns[label] for label in labels} for arm in arms]
    if len(labels) > 1:
        for one in columns:
            one[ALL] = mean_over_labels(one)
    pairs = tuple(combinations(range(len(arms)), 2)) if compared else ()
    p = {label: [compare(columns[a][label], columns[b][label]).p for a, b in pairs] for label in columns[0]}
    # Of the labels only: the row of all is another question, not one more of the same.
    corrected = [holm([p[label][at] for label in labels]) for at in range(len(pairs))]
    rows = [
        TableRow(
            label,
            tuple(mean(one[label]) for one in columns),
            tuple(p[label]),
            tuple(corrected[at][n] if label != ALL else p[label][at] for at in range(len(pairs))),
        )
        for n, label in enumerate(columns[0])
    ]
    return PaperTable(key, title, note, tuple(arm.name for arm in arms), pairs, tuple(rows))


def mean_over_labels(columns: Mapping[str, Values]) -> Values:
    """Row by row the mean of the labels that are defined there; NaN where none is."""
    return mean_of_defined(np.stack(list(columns.values())))


def complete_rows(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """The paper's rule of Table 3: only the rows in which every arm has a score of every label that they share."""
    labels = [label for label in arms[0].columns if all(label in arm.columns for arm in arms)]
    kept = ~np.isnan(np.stack([arm.columns[label] for arm in arms for label in labels])).any(axis=0)
    return tuple(Arm(arm.name, {label: arm.columns[label][kept] for label in labels}) for arm in arms)


def table_markdown(table: PaperTable) -> str:
    heading = ["label", *table.arms, *(f"p: {table.arms[a]} / {table.arms[b]}" for a, b in table.pairs)]
    rows = [
        [row.label, *(mean_text(one) for one in row.means), *(p_text(one) for one in row.p)]
        for row in table.rows
    ]
    note = f"\n{table.note}\n" if table.note else ""
    return f"### {table.title}\n\n{markdown_rows(heading, rows)}{note}"


def table_csv(table: PaperTable) -> str:
    """One line per label and arm, with the p of each pair that begins with the arm."""
    lines: list[list[object]] = [["label", "arm", "mean", "ci", "n", "undefined", "other", "p", "p_holm"]]
    for row in table.rows:
        for at, (arm, one) in enumerate(zip(table.arms, row.means, strict=True)):
            own = [row.label, arm, rounded(one.mean), rounded(one.ci), one.n, one.undefined]
            others = [
                [table.arms[b], rounded(row.p[n]), rounded(row.p_holm[n])]
                for n, (a, b) in enumerate(table.pairs)
                if a == at
            ]
            lines += [[*own, *other] for other in others or [["", "", ""]]]
    return csv_text(lines)


def table_json(table: PaperTable) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": table.title,
        "note": table.note,
        "rows": [
            {
                "label": row.label,
                "arms": {
                    arm: {
                        "mean": defined(one.mean),
                        "ci": defined(one.ci),
                        "n": one.n,
                        "undefined": one.undefined,
                    }
                    for arm, one in zip(table.arms, row.means, strict=True)
                },
                "p": [
                    {
                        "a": table.arms[a],
                        "b": table.arms[b],
                        "p": defined(row.p[n]),
                        "p_holm": defined(row.p_holm[n]),
                    }
                    for n, (a, b) in enumerate(table.pairs)
                ],
            }
            for row in table.rows
        ],
    }


def markdown_rows(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [[inline(cell) for cell in heading], ["---"] * len(heading)]
    lines += [[inline(cell) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mean_text(one: Mean) -> str:
    if one.n == 0:
        return "-"
    missing = f", {one.undefined} undefined" if one.undefined else ""
    return f"{one.mean:.3f} ± {one.ci:.3f} (n = {one.n}{missing})"


def p_text(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def rounded(value: float) -> float:
    """For CSV: six significant digits; NaN stays, and is an empty cell there."""
    return float(f"{value:.6g}")
