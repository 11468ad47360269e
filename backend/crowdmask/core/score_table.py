"""Scores per case, or per slice of a case, from a CSV file: a column that names the case, one that numbers the slice if there
are several rows per case, and a column of numbers per label."""

import csv
import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdmask.core.csv_text import csv_text
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.statistics import Values

CASE = "case"
SLICE = "slice"
_UNDEFINED = frozenset({"", "nan", "na", "n/a", "none", "null", "-"})


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Attributes:
    cases: the name of each row's case, in the order of the file.
    columns: by name, one value per row; NaN where it is undefined or the row has none.
    slices: the number of each row's slice; None where a row is a whole case.
    """

    cases: tuple[str, ...]
    columns: dict[str, Values]
    slices: tuple[int, ...] | None = None

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """What tells the rows apart: the case, or case and slice."""
        return self.cases if self.slices is None else tuple(zip(self.cases, self.slices, strict=True))

    def of_rows(self, keys: Iterable[Hashable]) -> dict[str, Values]:
        """The columns with these rows in this order; every one is in the table."""
        at = {key: row for row, key in enumerate(self.keys)}
        rows = [at[key] for key in keys]
        return {name: values[rows] for name, values in self.columns.items()}

    def to_csv(self) -> str:
        """As ``read_scores`` reads it; an undefined score is an empty cell."""
        named: dict[str, Iterable[object]] = {CASE: self.cases}
        if self.slices is not None:
            named[SLICE] = self.slices
        named |= {name: values.tolist() for name, values in self.columns.items()}
        return csv_text([tuple(named), *zip(*named.values(), strict=True)])


def read_scores(path: Path) -> ScoreTable:
    """Read a CSV file with a heading. One column is called ``case``; with one called ``slice`` each row is of one slice of
    its case. Of the others those that hold numbers are scores.

    Raises:
        InvalidInput: ``scores_invalid``: no heading ``case``, a row twice or without a case, a slice that is no whole
            number, a row of another length, a column with numbers and words, or nothing to score.
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
    if "" in cases:
        raise _invalid(path, "has a row without a case")
    of_slice = [at for at, name in enumerate(heading) if name.casefold() == SLICE]
    slices = _slices(path, [row[of_slice[0]].strip() for row in rows[1:]]) if of_slice else None
    _check_each_once(path, cases, slices)
    columns = {}
    for at, name in enumerate(heading):
        if at in (*where, *of_slice):
            continue
        values = _numbers(path, name, [row[at].strip() for row in rows[1:]])
        if values is not None:
            columns[name] = values
    if not cases or not columns:
        raise _invalid(path, "holds no scores")
    return ScoreTable(tuple(cases), columns, slices)


def _slices(path: Path, cells: list[str]) -> tuple[int, ...]:
    for row, cell in enumerate(cells, start=2):
        if not (cell.isascii() and cell.isdigit()):
            raise _invalid(path, f"has {cell!r} as the slice of row {row}; slices are whole numbers from 0")
    return tuple(map(int, cells))


def _check_each_once(path: Path, cases: list[str], slices: tuple[int, ...] | None) -> None:
    rows = Counter(cases) if slices is None else Counter(zip(cases, slices, strict=True))
    twice = next((row for row, count in rows.items() if count > 1), None)
    if twice is None:
        return
    if isinstance(twice, str):
        raise _invalid(path, f"names a case twice ({twice}); rows of single slices need a column {SLICE!r}")
    raise _invalid(path, f"names a slice twice ({twice[0]}, slice {twice[1]})")


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
        hint="Give a CSV file with a column 'case' and a column of numbers for each label; beside 'case' a column 'slice' where "
        "each row is one slice.",
    )
