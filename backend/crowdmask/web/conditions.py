"""If-Match, ETag and Idempotency-Key: how a client says what its change is for."""

import re
from typing import Annotated

from fastapi import Depends, Header

from crowdmask.core.errors import ErrorCode, InvalidInput

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def etag(revision: int) -> str:
    return f'"{revision}"'


def _revision(
    if_match: Annotated[str | None, Header(description='The revision: `"12"`.')] = None,
) -> int | None:
    if if_match is None:
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise InvalidInput(
            ErrorCode.REQUEST_INVALID,
            f"If-Match is {if_match[:40]!r}, which names no revision.",
            hint='Send the ETag that you last got, such as "12".',
        )
    return int(found[1])


IfMatch = Annotated[int | None, Depends(_revision)]
"""The revision the caller last saw; None when it did not say."""

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="New for every change, the same for a retry.",
    ),
]
