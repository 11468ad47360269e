"""Lists in pages: ``?limit=50&cursor=...``; the answer names the cursor of the next page, or null."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

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


def _page_request(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows per page.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="next_cursor of the page before.")
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
