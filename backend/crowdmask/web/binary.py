"""Answers that are bytes, which the browser keeps and asks for again only when they have changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import FileResponse

BYTES: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {"application/octet-stream": {}}}},
}
"""Arguments of a route: ``@router.get("/...", **BYTES)``."""

IfNoneMatch = Annotated[str | None, Header()]


def if_changed(version: str, if_none_match: str | None, content: Callable[[], bytes]) -> Response:
    """The content with its version as ETag; 304 without it for who has that version."""
    tag = f'"{version}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(content(), media_type="application/octet-stream", headers=headers)


def nifti_file(path: Path, name: str) -> FileResponse:
    """A compressed NIfTI file, to be saved under the name."""
    return FileResponse(path, media_type="application/gzip", filename=name)
