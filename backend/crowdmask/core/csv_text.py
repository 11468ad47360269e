"""CSV files that people open in a spreadsheet."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, each value as ``cell`` writes it."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets a ``'`` in front; None and NaN are empty."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
