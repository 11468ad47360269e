"""Bodies that are files: streamed to a temporary file, never held in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from anyio import to_thread
from fastapi import Request

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.web.state import ServerState

LARGEST_FILE = 4 * 1024**3
"""Bytes of one uploaded file."""
_BUFFER = 1024**2


@asynccontextmanager
async def received_file(request: Request, server: ServerState, *, suffix: str = "") -> AsyncIterator[Path]:
    """The body of the request as a file in the work folder, removed at the end of the block.

    Raises:
        InvalidInput: ``file_empty``; ``body_too_large``.
        Unavailable: ``storage_full``.
    """
    announced = int(request.headers.get("content-length") or 0)
    if announced > LARGEST_FILE:
        raise _too_large()
    await to_thread.run_sync(server.storage.require_space, announced)
    with NamedTemporaryFile(dir=server.settings.work_dir, prefix="upload-", suffix=suffix) as file:
        received, waiting = 0, bytearray()
        async for chunk in request.stream():
            received += len(chunk)
            if received > LARGEST_FILE:
                raise _too_large()
            waiting += chunk
            if len(waiting) >= _BUFFER:
                await to_thread.run_sync(file.write, bytes(waiting))
                waiting.clear()
        await to_thread.run_sync(file.write, bytes(waiting))
        await to_thread.run_sync(file.flush)
        if received == 0:
            raise InvalidInput(ErrorCode.FILE_EMPTY, "The file has no bytes.", hint="Choose the file again.")
        yield Path(file.name)


def _too_large() -> InvalidInput:
    return InvalidInput(
        ErrorCode.BODY_TOO_LARGE,
        f"The file is larger than {LARGEST_FILE // 1024**3} GB, the most that can be uploaded.",
        hint="Crop the volume, or save it with fewer bits per voxel.",
    )
