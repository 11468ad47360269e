"""Bodies that are files: streamed to a temporary file, never held in memory."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from anyio import to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from crowdmask.core.errors import ErrorCode, InvalidInput, Unavailable
from crowdmask.web.state import ServerState

LARGEST_FILE = 4 * 1024**3
"""Bytes of one uploaded file."""
COUNTED_BY_US = 2**62
"""The framework's limit for routes that take a file: ``received_file`` counts, and refuses as everything is refused."""
_BUFFER = 1024**2
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@asynccontextmanager
async def received_file(
    request: Request, server: ServerState, *, largest: int = LARGEST_FILE
) -> AsyncIterator[Path]:
    """The body of the request as a file in the work folder, removed at the end of the block.

    Raises:
        InvalidInput: ``file_empty``; ``body_too_large``; ``request_invalid``, the upload was interrupted.
        Unavailable: ``storage_full``.
    """
    announced = int(request.headers.get("content-length") or 0)
    if announced > largest:
        raise _too_large(largest)
    await to_thread.run_sync(server.storage.require_space, announced)
    try:
        with NamedTemporaryFile(dir=server.settings.work_dir, prefix="upload-") as file:
            await _receive(request, file, largest)
            yield Path(file.name)
    except ClientDisconnect:
        raise InvalidInput(
            ErrorCode.REQUEST_INVALID, "The upload was interrupted.", hint="Send the file again."
        ) from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Unavailable(
            ErrorCode.STORAGE_FULL,
            f"The disk that holds the data folder is full ({error.strerror}).",
            hint="Make room on it, then send the file again.",
        ) from error


async def _receive(request: Request, file: IO[bytes], largest: int) -> None:
    received, waiting = 0, bytearray()
    async for chunk in request.stream():
        received += len(chunk)
        if received > largest:
            raise _too_large(largest)
        waiting += chunk
        if len(waiting) >= _BUFFER:
            await to_thread.run_sync(file.write, bytes(waiting))
            waiting.clear()
    await to_thread.run_sync(file.write, bytes(waiting))
    await to_thread.run_sync(file.flush)
    if received == 0:
        raise InvalidInput(ErrorCode.FILE_EMPTY, "The file has no bytes.", hint="Choose the file again.")


def _too_large(largest: int) -> InvalidInput:
    return InvalidInput(
        ErrorCode.BODY_TOO_LARGE,
        f"The file is larger than {largest // 1024**2} MB, the most that can be sent here.",
        hint="Crop the volume or shrink the picture, then send it again.",
    )
