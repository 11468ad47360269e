"""``crowdmask compare``: two tables of scores of the same cases, or of their slices, label by label."""

import math
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, print_json, readable
from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.statistics import defined

if TYPE_CHECKING:
    from rich.table import Table

    from crowdmask.core.comparison import Compared
    from crowdmask.core.score_table import ScoreTable
    from crowdmask.core.statistics import Mean, Summary


def compare(
    a: Annotated[Path, typer.Argument(metavar="A.csv", help="Scores: a column 'case', a column per label.")],
    b: Annotated[Path, typer.Argument(metavar="B.csv", help="Scores of the same cases, in any order.")],
    as_json: AsJson = False,
) -> None:
    """Compare two tables of scores: mean and 95 % interval of each column, and the p of a Wilcoxon signed-rank test.

    Cases are matched by name and columns by heading; what only one of the files has is left out and said. With a column
    'slice' beside 'case' each row is one slice, matched by both; the test over cases then stands beside the one over slices.
    """
    from crowdmask.core.comparison import SLICES_NOT_INDEPENDENT, compare_columns, mean_of_cases
    from crowdmask.core.score_table import read_scores

    first, second = read_scores(readable(a)), read_scores(readable(b))
    if (first.slices is None) != (second.slices is None):
        with_slices, without = (b, a) if first.slices is None else (a, b)
        raise Conflict(
            ErrorCode.SCORES_INVALID,
            f"{with_slices} holds a row per slice and {without} a row per case.",
            hint="Compare two files of the same kind.",
        )
    known = set(second.keys)
    keys = [key for key in first.keys if key in known]
    names = [name for name in first.columns if name in second.columns]
    if not keys or not names:
        what = "case" if first.slices is None else "slice of a case"
        raise Conflict(
            ErrorCode.SCORES_INVALID,
            f"{a} and {b} have no {'column of scores' if keys else what} in common.",
            hint="Cases and columns are matched by their names, letter by letter.",
        )
    for path, table in ((a, first), (b, second)):
        _say_what_is_left_out(path, table, keys, names)
    rows_a, rows_b = (_by_key(table, keys) for table in (first, second))
    found = compare_columns(rows_a, rows_b)
    over_cases = None
    if first.slices is not None:
        cases = dict(zip(first.keys, first.cases, strict=True))
        over_cases = compare_columns(*mean_of_cases(rows_a, rows_b, cases))
    if as_json:
        columns = {
            name: _json(one, None if over_cases is None else over_cases[name]) for name, one in found.items()
        }
        print_json({"columns": columns} | ({"warning": SLICES_NOT_INDEPENDENT} if over_cases else {}))
    else:
        _print(found, over_cases)


def _say_what_is_left_out(path: Path, table: "ScoreTable", keys: list[Hashable], names: list[str]) -> None:
    shared = set(keys)
    alone = [key for key in table.keys if key not in shared]
    columns = [name for name in table.columns if name not in names]
    if alone and table.slices is not None:
        columns.insert(0, f"{len(alone)} of {len(table.keys)} slices")
    else:
        columns[:0] = map(str, alone)
    if columns:
        program.note(f"only {path} has {', '.join(columns)}: left out")


def _by_key(table: "ScoreTable", keys: list[Hashable]) -> dict[str, dict[Hashable, float]]:
    return {
        name: dict(zip(keys, values.tolist(), strict=True)) for name, values in table.of_rows(keys).items()
    }


def _json(found: "Compared", over_cases: "Compared | None") -> dict[str, Any]:
    """``over_cases``: of a column of slices, the same over the means of their cases."""
    content = {
        "a": _summary_json(found.a),
        "b": _summary_json(found.b),
        "p": defined(found.p),
        "p_holm": defined(found.p_holm),
        "pairs": found.pairs,
    }
    return content if over_cases is None else content | {"cases": _json(over_cases, None)}


def _summary_json(found: "Summary") -> dict[str, float | int | None]:
    return {
        "mean": defined(found.mean.mean),
        "ci": defined(found.mean.ci),
        "low": defined(found.low),
        "high": defined(found.high),
        "n": found.mean.n,
        "undefined": found.mean.undefined,
        "shapiro_p": defined(found.shapiro_p),
    }


def _print(found: "dict[str, Compared]", over_cases: "dict[str, Compared] | None") -> None:
    from rich.console import Console

    from crowdmask.core.comparison import SLICES_NOT_INDEPENDENT

    console = Console()
    if over_cases is not None:
        console.print(_printed(found, "Over slices"))
        console.print(SLICES_NOT_INDEPENDENT)
        console.print(
            _printed(over_cases, "Over cases: the mean of each case's slices that both files define")
        )
    else:
        console.print(_printed(found, None))


def _printed(found: "dict[str, Compared]", title: str | None) -> "Table":
    from rich.table import Table

    table = Table(
        title=title,
        caption="mean ± 1.96 · population sd / sqrt(n); p: Wilcoxon signed-rank, two-sided, cases without a "
        "difference dropped; Holm: corrected for the number of rows",
        title_justify="left",
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
    return table


def _mean_words(mean: "Mean") -> str:
    if mean.n == 0:
        return "undefined"
    missing = f", {mean.undefined} undefined" if mean.undefined else ""
    return f"{mean.mean:.3f} ± {mean.ci:.3f} (n = {mean.n}{missing})"


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
