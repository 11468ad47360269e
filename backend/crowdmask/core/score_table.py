"""Scores per case from a CSV file: a column that names the case, and a column of numbers per label."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdmask.core.csv_text import csv_text
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.statistics import Values

CASE = "case"
_UNDEFINED = frozenset({"", "nan", "na", "n/a", "none", "null", "-"})


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Attributes:
    cases: their names, in the order of the file.
    columns: by name, one value per case; NaN where it is undefined or the case has none.
    """

    cases: tuple[str, ...]
    columns: dict[str, Values]

    def of_cases(self, cases: Iterable[str]) -> dict[str, Values]:
        """The columns with these cases in this order; every one is in the table."""
        at = {case: row for row, case in enumerate(self.cases)}
        rows = [at[case] for case in cases]
        return {name: values[rows] for name, values in self.columns.items()}

    def to_csv(self) -> str:
        """As ``read_scores`` reads it; an undefined score is an empty cell."""
        rows = zip(self.cases, *(values.tolist() for values in self.columns.values()), strict=True)
        return csv_text([(CASE, *self.columns), *rows])


def read_scores(path: Path) -> ScoreTable:
    """Read a CSV file with a heading. One column is called ``case``; of the others those that hold numbers are scores.

    Raises:
        InvalidInput: ``scores_invalid``: no heading ``case``, a case twice or without a name, a row of another
            length, a column with numbers and words, or nothing to score.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(path, f"is not a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise _invalid(path, "is empty")
    heading = [name.strip() for name in rows[0]]
    where = [at for at, name in enumerate(heading) if name.casefold() == CASE]
    if len(where) != 1 or len(set(heading)) < len(heading):
        raise _invalid(path, f"needs one column called {CASE!r} and no name twice; its heading is {heading}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(heading):
            raise _invalid(path, f"has {len(row)} fields in row {number} and {len(heading)} in the heading")
    cases = [row[where[0]].strip() for row in rows[1:]]
    twice = sorted({case for case in cases if cases.count(case) > 1})
    if twice or "" in cases:
        raise _invalid(path, f"names a case twice ({twice[0]})" if twice else "has a row without a case")
    columns = {}
    for at, name in enumerate(heading):
        if at == where[0]:
            continue
        values = _numbers(path, name, [row[at].strip() for row in rows[1:]])
        if values is not None:
            columns[name] = values
    if not cases or not columns:
        raise _invalid(path, "holds no scores")
    return ScoreTable(tuple(cases), columns)


def _numbers(path: Path, name: str, cells: list[str]) -> Values | None:
    """None for a column of words, which is no score."""
    values, words = [], []
    for cell in cells:
        try:
            value = math.nan if cell.casefold() in _UNDEFINED else float(cell)
        except ValueError:
            words.append(cell)
            continue
        values.append(value)
    if not words:
        return np.array(values, dtype=np.float64)
    if any(not math.isnan(value) for value in values):
        raise _invalid(path, f"has numbers and words in its column {name!r}, such as {words[0]!r}")
    return None


def _invalid(path: Path, what: str) -> InvalidInput:
    return InvalidInput(
        ErrorCode.SCORES_INVALID,
        f"{path} {what}.",
        hint="Give a CSV file with a column 'case' and a column of numbers for each label.",
    )
