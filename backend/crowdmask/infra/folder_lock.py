"""One process at a time: locks on a data folder that the operating system lets go of when their holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from crowdmask.core.errors import ErrorCode, Unavailable


@contextmanager
def folder_lock(data_dir: Path, role: str) -> Iterator[None]:
    """Hold the lock ``role`` of a data folder, without waiting for it. Each role has its own lock.

    Raises:
        Unavailable: ``data_folder_in_use``, another process (or another block of this one) has this role.
    """
    lock = FileLock(data_dir / f"{role}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Unavailable(
            ErrorCode.DATA_FOLDER_IN_USE,
            f"The data folder {data_dir} is already used by another process ({role}).",
            hint="Stop the other process, or choose another data folder.",
        ) from error
    try:
        yield
    finally:
        lock.release()
