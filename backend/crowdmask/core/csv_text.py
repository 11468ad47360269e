"""Cells of CSV files that people open in a spreadsheet."""

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """The value as it is written: text that people gave is never taken for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
