"""``crowdmask compare``: two tables of scores of the same cases, label by label."""

import math
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, print_json, readable
from crowdmask.core.errors import Conflict, ErrorCode

if TYPE_CHECKING:
    from crowdmask.core.comparison import Compared
    from crowdmask.core.score_table import ScoreTable
    from crowdmask.core.statistics import Mean, Summary


def compare(
    a: Annotated[Path, typer.Argument(metavar="A.csv", help="Scores: a column 'case', a column per label.")],
    b: Annotated[Path, typer.Argument(metavar="B.csv", help="Scores of the same cases, in any order.")],
    as_json: AsJson = False,
) -> None:
    """Compare two tables of scores: mean and 95 % interval of each column, and the p of a Wilcoxon signed-rank test.

    Cases are matched by name and columns by heading; what only one of the files has is left out and said.
    """
    from crowdmask.core.comparison import compare_columns
    from crowdmask.core.score_table import read_scores

    first, second = read_scores(readable(a)), read_scores(readable(b))
    cases = [case for case in first.cases if case in set(second.cases)]
    names = [name for name in first.columns if name in second.columns]
    if not cases or not names:
        missing = "case" if not cases else "column of scores"
        raise Conflict(
            ErrorCode.SCORES_INVALID,
            f"{a} and {b} have no {missing} in common.",
            hint="Cases and columns are matched by their names, letter by letter.",
        )
    for path, table in ((a, first), (b, second)):
        alone = [case for case in table.cases if case not in set(cases)]
        alone += [name for name in table.columns if name not in names]
        if alone:
            program.note(f"only {path} has {', '.join(alone)}: left out")
    found = compare_columns(_by_case(first, cases), _by_case(second, cases))
    if as_json:
        print_json({"columns": {name: _json(one) for name, one in found.items()}})
    else:
        _print(found)


def _by_case(table: "ScoreTable", cases: list[str]) -> dict[str, dict[Hashable, float]]:
    return {
        name: dict(zip(cases, values.tolist(), strict=True)) for name, values in table.of_cases(cases).items()
    }


def _json(found: "Compared") -> dict[str, Any]:
    return {
        "a": _summary_json(found.a),
        "b": _summary_json(found.b),
        "p": _defined(found.p),
        "p_holm": _defined(found.p_holm),
        "pairs": found.pairs,
    }


def _summary_json(found: "Summary") -> dict[str, float | int | None]:
    return {
        "mean": _defined(found.mean.mean),
        "ci": _defined(found.mean.ci),
        "low": _defined(found.low),
        "high": _defined(found.high),
        "n": found.mean.n,
        "undefined": found.mean.undefined,
        "shapiro_p": _defined(found.shapiro_p),
    }


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _print(found: "dict[str, Compared]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        caption="mean ± 1.96 · population sd / sqrt(n); p: Wilcoxon signed-rank, two-sided, cases without a "
        "difference dropped; Holm: corrected for the number of rows",
        caption_justify="left",
    )
    table.add_column("label")
    for heading in ("A", "B", "pairs", "p", "p, Holm"):
        table.add_column(heading, justify="right")
    for name, one in found.items():
        table.add_row(
            name,
            _mean_words(one.a.mean),
            _mean_words(one.b.mean),
            str(one.pairs),
            _p(one.p),
            _p(one.p_holm),
        )
    Console().print(table)


def _mean_words(mean: "Mean") -> str:
    if mean.n == 0:
        return "undefined"
    missing = f", {mean.undefined} undefined" if mean.undefined else ""
    return f"{mean.mean:.3f} ± {mean.ci:.3f} (n = {mean.n}{missing})"


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
