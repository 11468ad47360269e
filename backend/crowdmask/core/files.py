"""Whole files or none: written beside their place, synced, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

from crowdmask.core.errors import ErrorCode, Unavailable
from crowdmask.core.ids import new_id


@contextmanager
def write_whole(path: Path) -> Iterator[BufferedRandom]:
    """Open a new file for writing (and reading back) that appears at ``path`` only when the block ends well.

    An older file at ``path`` stays intact until then; after an error nothing new is left behind. A link at ``path`` stays,
    and the file it points to is written.

    Raises:
        Unavailable: ``storage_full``.
    """
    path = resolved(path)
    temporary = path.with_name(f".{path.name[:64]}.{new_id().hex}.part")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                ErrorCode.STORAGE_FULL,
                f"The disk of {path.parent} is full, {path.name} was not written.",
                hint="Free some space and try again.",
            ) from error
        raise
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def resolved(path: Path) -> Path:
    """The file that ``path`` means in the end, whether it is there or not; of links in a circle, one of them."""
    return Path(os.path.realpath(path))


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
