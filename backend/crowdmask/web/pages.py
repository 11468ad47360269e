"""Lists in pages: ``?limit=50&cursor=...``; the answer names the cursor of the next page, or null."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query
from pydantic import BaseModel

from crowdmask.core.errors import ErrorCode, InvalidInput

LARGEST_PAGE = 500

Element = TypeVar("Element")
Row = TypeVar("Row")


class Page(BaseModel, Generic[Element]):
    items: list[Element]
    next_cursor: str | None


@dataclass(frozen=True)
class PageRequest:
    """``after``: the key of the last row that the caller has, or None."""

    limit: int
    after: str | None

    def page(
        self, rows: Sequence[Row], *, key: Callable[[Row], str], shown: Callable[[Row], Element]
    ) -> Page[Element]:
        """A page of ``rows``, of which the caller fetched one more than ``limit`` to know whether there is a next one."""
        here = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(
            items=[shown(row) for row in here],
            next_cursor=base64.urlsafe_b64encode(key(here[-1]).encode()).decode() if more else None,
        )


@dataclass(frozen=True)
class By:
    """One thing that a list is sorted by: what SQL says of it, which is never null, and what it is in Python."""

    column: sa.SQLColumnExpression[Any]
    type: type[str] | type[int] | type[float] | type[UUID]
    falling: bool = False


class Order:
    """What a list is sorted by. No two rows are alike in all of it, and none of it changes: so every row that stays is on
    exactly one page, whatever is added or removed meanwhile.
    """

    def __init__(self, *by: By) -> None:
        self._by = by

    @property
    def columns(self) -> Iterator[sa.SQLColumnExpression[Any]]:
        """For ``order_by``."""
        return (by.column.desc() if by.falling else by.column for by in self._by)

    @staticmethod
    def key(*values: str | float | UUID) -> str:
        """For ``PageRequest.page``: a row's values, in this order."""
        plain = [str(value) if isinstance(value, UUID) else value for value in values]
        return json.dumps(plain, ensure_ascii=False)

    def behind(self, after: str | None) -> sa.ColumnElement[bool]:
        """The condition that a row comes after the one with this key.

        Raises:
            InvalidInput: ``request_invalid``, the key is of another list.
        """
        if after is None:
            return sa.true()
        try:
            values = [_value(by, value) for by, value in zip(self._by, json.loads(after), strict=True)]
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise InvalidInput(
                ErrorCode.REQUEST_INVALID,
                "The cursor is not one of this list.",
                hint="Take next_cursor of the page before as it is, or leave it out for the first page.",
            ) from None
        condition: sa.ColumnElement[bool] = sa.false()
        for by, value in zip(reversed(self._by), reversed(values), strict=True):
            further = by.column < value if by.falling else by.column > value
            condition = sa.or_(further, sa.and_(by.column == value, condition))
        return condition


def _value(by: By, value: Any) -> str | float | UUID:
    """A value of a cursor, which anybody can write: nothing that a database could not compare."""
    match by.type(value) if by.type is UUID else value:
        case UUID() as id_:
            return id_
        case str() as text if by.type is str and "\0" not in text:
            text.encode()  # half a letter is a ValueError
            return text
        case int() as whole if by.type is int and abs(whole) < 2**31:
            return whole
        case float() | int() as number if by.type is float and math.isfinite(number):
            return float(number)
    raise ValueError(value)


def _page_request(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows per page.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="next_cursor of the page before.")
    ] = None,
) -> PageRequest:
    if cursor is None:
        return PageRequest(limit, None)
    try:
        return PageRequest(limit, base64.urlsafe_b64decode(cursor.encode()).decode())
    except (binascii.Error, UnicodeError, ValueError):
        raise InvalidInput(
            ErrorCode.REQUEST_INVALID,
            f"The cursor {cursor[:40]!r} is not one of ours.",
            hint="Take next_cursor of the page before as it is, or leave it out for the first page.",
        ) from None


Paging = Annotated[PageRequest, Depends(_page_request)]
