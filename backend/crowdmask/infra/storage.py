"""Immutable blobs, named by the SHA-256 of their bytes.

A blob is written to a temporary file, synced and renamed, so under its name it is whole or absent. Names of people's
files never become paths: a key is a hash and nothing else.

What nobody needs is thrown away (``crowdmask.collection``), and only when it was put long ago. Putting the same bytes again
makes a blob young; a lock keeps that from falling between the look at its age and its removal.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, mkstemp
from typing import IO

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask.core.files import sync_folder

_KEY = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20
_FREE_SHARE = 0.05
# EFBIG: the file system, or the limit of the process, allows no file of this size.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})


class LocalStorage:
    """Blobs in the folder ``root``, as ``root/ab/ab12...``; safe for many threads and processes.

    ``incoming``: where they are written before they get their names.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def put_file(self, path: Path) -> str:
        """Store a copy of the file and return its SHA-256. Storing the same bytes again is fine.

        Raises:
            Unavailable: ``storage_full``; nothing was stored.
        """
        with path.open("rb") as source:
            return self._put(source)

    def put_bytes(self, content: bytes) -> str:
        """Store ``content`` and return its SHA-256; errors as for ``put_file``."""
        with self._writer() as (target, temporary):
            target.write(content)
            return self._publish(target, temporary, hashlib.sha256(content).hexdigest())

    def path(self, sha256: str) -> Path:
        """The file of a stored blob. Read it, never write to it.

        Raises:
            Corrupt: ``blob_missing``.
        """
        path = self._place(sha256)
        if path is None or not path.is_file():
            raise Corrupt(
                ErrorCode.BLOB_MISSING,
                f"There is no stored file with the SHA-256 {sha256!r}.",
                hint="Restore the folder of blobs from its backup, or make the result again.",
            )
        return path

    def verify(self, sha256: str) -> Path:
        """``path``, after reading the whole blob and finding it unchanged.

        Raises:
            Corrupt: ``blob_missing``, ``blob_corrupt``.
        """
        path = self.path(sha256)
        found = sha256_of(path)
        if found != sha256:
            raise Corrupt(
                ErrorCode.BLOB_CORRUPT,
                f"The stored file {sha256} now has the SHA-256 {found}.",
                hint="Restore it from the backup, or make the result again: storing the right bytes repairs it.",
            )
        return path

    def require_space(self, n_bytes: int) -> None:
        """Refuse a large file before it is taken in: 5 % of the disk must stay free after ``n_bytes`` more.

        Raises:
            Unavailable: ``storage_full``.
        """
        usage = shutil.disk_usage(self.root)
        if usage.free - n_bytes < _FREE_SHARE * usage.total:
            raise Unavailable(
                ErrorCode.STORAGE_FULL,
                f"A file of {n_bytes} bytes would leave less than {_FREE_SHARE:.0%} of the disk free "
                f"({usage.free} of {usage.total} bytes are free now).",
                hint="Make room on the disk that holds the data folder, then try again.",
            )

    def stored(self) -> Iterator[str]:
        """The SHA-256 of every stored blob, folder by folder."""
        for number in range(256):
            folder = self.root / f"{number:02x}"
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    yield from (entry.name for entry in entries if _KEY.fullmatch(entry.name))

    def discard(self, sha256: str, *, put_before: float) -> int | None:
        """Remove a blob unless it was put at ``put_before`` (see ``file_clock``) or later.

        Returns:
            Its bytes; None when it stays, which it also does while another process gives a name and does not end.

        Raises:
            OSError: also where the file system has no locks: nothing is removed then.
        """
        path = self._place(sha256)
        if path is None:
            return None
        try:
            with self._naming(fcntl.LOCK_EX | fcntl.LOCK_NB):
                found = path.stat()
                if found.st_mtime >= put_before:
                    return None
                path.unlink()
                return found.st_size
        except (FileNotFoundError, BlockingIOError):
            return None

    def _put(self, source: IO[bytes]) -> str:
        digest = hashlib.sha256()
        with self._writer() as (target, temporary):
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
            return self._publish(target, temporary, digest.hexdigest())

    @contextmanager
    def _writer(self) -> Iterator[tuple[IO[bytes], Path]]:
        temporary: Path | None = None
        try:
            handle, name = mkstemp(dir=self.incoming)
            temporary = Path(name)
            with os.fdopen(handle, "wb") as target:
                yield target, temporary
        except OSError as error:
            if error.errno in _FULL:
                raise Unavailable(
                    ErrorCode.STORAGE_FULL,
                    f"The disk that holds {self.root} is full ({error.strerror}).",
                    hint="Make room on it, then try again; nothing was stored.",
                ) from error
            raise
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def _publish(self, target: IO[bytes], temporary: Path, sha256: str) -> str:
        target.flush()
        os.fsync(target.fileno())
        folder = self.root / sha256[:2]
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            sync_folder(self.root)
        with self._naming(fcntl.LOCK_SH):
            os.utime(target.fileno())  # young from here on, however long writing it has taken
            temporary.replace(folder / sha256)  # also when the blob exists: that repairs a damaged one
        sync_folder(folder)
        return sha256

    @contextmanager
    def _naming(self, how: int) -> Iterator[None]:
        """Names are given by many at once (``LOCK_SH``) and taken away by one alone (``LOCK_EX``). Held for an instant; who
        is killed meanwhile lets go of it."""
        handle = os.open(self.root / "names.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, how)
            except OSError as error:
                if how != fcntl.LOCK_SH or error.errno not in _NO_LOCKS:
                    raise  # without locks blobs can be put all the same: none is ever removed
            yield
        finally:
            os.close(handle)

    def _place(self, sha256: str) -> Path | None:
        return self.root / sha256[:2] / sha256 if _KEY.fullmatch(sha256) else None


def file_clock(folder: Path) -> float:
    """What time it is for the file system of a folder, in seconds as in ``st_mtime``: the only clock that the ages of its
    files may be told by, wherever they were written."""
    with NamedTemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
