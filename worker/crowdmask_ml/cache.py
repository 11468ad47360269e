"""A folder on the worker's own disk of what was computed of single slices: embeddings and predictions.

It costs nothing but time to lose: an entry that is damaged or gone is computed again.
"""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.ids import new_id

_DIGEST_BYTES = 16
_PART = ".part"
_BYTES_VARIABLE = "CROWDMASK_EMBEDDINGS_BYTES"
_DEFAULT_BYTES = 20_000_000_000
# A use within this time of the last one is not written down.
_TOUCH_SECONDS = 60
# No writer takes so long: it was killed.
_ABANDONED_SECONDS = 3600

Entry = TypeVar("Entry")


class SliceCache:
    """A folder of entries, bounded in size. Safe for several processes at once; a damaged entry counts as missing.

    An entry's name is a digest of everything that it depends on, with a suffix for its kind. What was used least
    recently goes first. The folder is listed when the first entry is put and then each time a twentieth of the limit
    was written, not at every put: one process keeps within the limit, and each further one that writes at the same
    time may pass it by a twentieth.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None) -> None:
        """``max_bytes`` None: ``CROWDMASK_EMBEDDINGS_BYTES``, else 20 GB (about 19 000 embeddings)."""
        self._folder = folder
        self.max_bytes = _bytes_from_environment() if max_bytes is None else max_bytes
        self._step = self.max_bytes // 20
        # Bytes that may be put before the folder is listed again.
        self._allowance = 0

    def __contains__(self, name: str) -> bool:
        """Whether an entry is there now: it may be damaged, or gone in the next moment."""
        return self._path(name).exists()

    def get(self, name: str, read: Callable[[bytes], Entry]) -> Entry | None:
        """What ``read`` makes of an entry's bytes; None when it is missing, or damaged (``read`` may raise `Corrupt`)."""
        path = self._path(name)
        try:
            with path.open("rb") as stream:
                stored = stream.read()
                used = os.fstat(stream.fileno()).st_mtime
            content = stored[:-_DIGEST_BYTES]
            # A damaged entry is replaced by the `put` that follows the recomputation.
            found = read(content) if stored[-_DIGEST_BYTES:] == _digest(content) else None
            if time.time() - used > _TOUCH_SECONDS:
                os.utime(path)
        except (Corrupt, FileNotFoundError):
            # Of an older form; or not there, or evicted in this moment.
            return None
        return found

    def put(self, name: str, content: bytes) -> None:
        """Raises `Unavailable` ``storage_full``."""
        path = self._path(name)
        stored = content + _digest(content)
        temporary = path.with_name(f".{new_id().hex}{_PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced: what a power cut leaves half-written is found by its digest and made again.
            temporary.write_bytes(stored)
            temporary.replace(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(
                    ErrorCode.STORAGE_FULL,
                    f"The disk of {self._folder} is full, what was computed of a slice was not kept.",
                    hint="Free some space and try again.",
                ) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)
        self._allowance -= len(stored)
        if self._allowance < 0:
            self._evict()

    def _evict(self) -> None:
        """Remove the least recently used entries until two steps are free, and what a killed writer left behind."""
        entries: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if path.suffix != _PART:
                    entries.append((status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        total = sum(size for _, size, _ in entries)
        if total > self.max_bytes - self._step:
            entries.sort(key=lambda entry: entry[0])
            for _, size, path in entries:
                if total <= self.max_bytes - 2 * self._step:
                    break
                path.unlink(missing_ok=True)
                total -= size
        self._allowance = self._step

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]


def _bytes_from_environment() -> int:
    """Raises `InvalidInput` ``option_invalid``."""
    given = os.environ.get(_BYTES_VARIABLE)
    if not given:
        return _DEFAULT_BYTES
    if not given.isdecimal():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{_BYTES_VARIABLE} is {given!r}.",
            hint="Give a whole number of bytes, such as 20000000000.",
        )
    return int(given)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
