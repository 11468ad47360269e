"""Large answers that a client may ask for in parts, so that a broken download goes on where it ended (RFC 9110, 14)."""

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from crowdmask.core.errors import ErrorCode
from crowdmask.web.errors import problem_response, request_id_of

_RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})")


def ranged_response(
    request: Request,
    pieces: Callable[[int, int], Iterator[bytes]],
    *,
    size: int,
    etag: str,
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """All of it, or the part that the request's ``Range`` names: 200, 206, or 416 where nothing is left to give.

    What is not one range of bytes, or is for another state of it (``If-Range``), gets all, as if nothing had been asked.

    Args:
        pieces: gives the bytes from its first argument to before its second.
        etag: strong: equal only for equal bytes.
    """
    shared = {"Accept-Ranges": "bytes", "ETag": etag, **headers}
    first, end = 0, size
    status = HTTPStatus.OK
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if (
        asked is not None
        and request.headers.get("if-range", etag) == etag
        and (asked["first"] or asked["last"])
    ):
        status = HTTPStatus.PARTIAL_CONTENT
        if asked["first"]:
            first = int(asked["first"])
            end = min(int(asked["last"]) + 1, size) if asked["last"] else size
            if asked["last"] and int(asked["last"]) < first:  # no range at all
                first, end, status = 0, size, HTTPStatus.OK
        else:
            first = max(0, size - int(asked["last"]))
        if first >= end:
            refused = problem_response(
                request_id_of(request),
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                ErrorCode.RANGE_INVALID,
                f"There are {size} bytes, and none of them was asked for.",
                "If you have as many already, the download is whole.",
            )
            refused.headers.update({**shared, "Content-Range": f"bytes */{size}"})
            return refused
        if status is HTTPStatus.PARTIAL_CONTENT:
            shared["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return StreamingResponse(
        pieces(first, end),
        status_code=status,
        media_type=media_type,
        headers={**shared, "Content-Length": str(end - first)},
    )
