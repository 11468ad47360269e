"""A dataset's folder as a zip, streamed from any byte on.

The zip is laid out before a byte of it is written: files are stored as they are (images and masks are gzip already), so its
size and the place of everything in it follow from names and sizes alone. The same folder gives the same bytes, today and when
a broken download goes on.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crowdmask.exports.selection import MANIFEST_NAME
from crowdmask.infra.storage import sha256_of

_CHUNK = 1024**2
_LARGEST_32 = 2**32 - 1
_LARGEST_16 = 2**16 - 1
#: No time of ours in it: the first of January 1980, the earliest that a zip can say.
_DATE = 1 << 5 | 1
_UTF8 = 1 << 11
_STORED = 0
_PLAIN, _LARGE = 20, 45  # the versions of the format that a reader needs
_UNIX_FILE = 0o100644 << 16
_LOCAL_BYTES, _CENTRAL_BYTES, _END_LARGE_BYTES = 30, 46, 56


@dataclass(frozen=True, slots=True)
class _Member:
    """A file and where its heading begins in the zip."""

    path: Path
    name: bytes
    size: int
    offset: int

    @property
    def is_large(self) -> bool:
        return self.size > _LARGEST_32

    @property
    def body(self) -> int:
        """Where its bytes begin."""
        return self.offset + _LOCAL_BYTES + len(self.name) + (20 if self.is_large else 0)

    @property
    def end(self) -> int:
        return self.body + self.size

    def heading(self) -> bytes:
        short = _LARGEST_32 if self.is_large else self.size
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.size) if self.is_large else b""
        needs = _LARGE if self.is_large else _PLAIN
        front = (needs, _UTF8, _STORED, 0, _DATE, _crc32(self.path), short, short, len(self.name), len(extra))
        return struct.pack("<4sHHHHHLLLHH", b"PK\3\4", *front) + self.name + extra

    def entry(self) -> bytes:
        """In the index at the end."""
        longs = [self.size, self.size] if self.is_large else []
        if self.offset > _LARGEST_32:
            longs.append(self.offset)
        extra = struct.pack(f"<HH{len(longs)}Q", 1, 8 * len(longs), *longs) if longs else b""
        needs = _LARGE if longs else _PLAIN
        short = _LARGEST_32 if self.is_large else self.size
        front = (3 << 8 | needs, needs, _UTF8, _STORED, 0, _DATE, _crc32(self.path), short, short)
        back = (len(self.name), len(extra), 0, 0, 0, _UNIX_FILE, min(self.offset, _LARGEST_32))
        return struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", *front, *back) + self.name + extra

    @property
    def entry_bytes(self) -> int:
        longs = (2 if self.is_large else 0) + (1 if self.offset > _LARGEST_32 else 0)
        return _CENTRAL_BYTES + len(self.name) + (4 + 8 * longs if longs else 0)


@dataclass(frozen=True)
class FolderArchive:
    """The zip of a written dataset, as it will be.

    Attributes:
        size: in bytes.
    """

    folder: Path
    members: tuple[_Member, ...]
    size: int

    @classmethod
    def of(cls, folder: Path) -> "FolderArchive":
        """Lay it out; names in it begin with the folder's own name. Reads sizes, no file's content."""
        members = []
        offset = 0
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}".encode()
            members.append(_Member(path, name, path.stat().st_size, offset))
            offset = members[-1].end
        index = sum(member.entry_bytes for member in members)
        return cls(folder, tuple(members), offset + index + len(_end(len(members), index, offset)))

    @property
    def etag(self) -> str:
        """Stands for every byte: the manifest names the sha256 of every other file."""
        return f'"{sha256_of(self.folder / MANIFEST_NAME)}"'

    def pieces(self, first: int, end: int) -> Iterator[bytes]:
        """The bytes from ``first`` to before ``end``, in pieces of at most about a mebibyte.

        Files before ``first`` are passed over; what the index says of them is read once and then remembered.
        """
        for member in self.members:
            if member.end <= first:
                continue
            if member.offset >= end:
                return
            if member.body > first:
                yield from _cut(member.heading(), member.offset, first, end)
            yield from _read(
                member.path, max(first, member.body) - member.body, min(end, member.end) - member.body
            )
        at = self.members[-1].end if self.members else 0
        if at >= end:
            return
        size = 0
        for member in self.members:
            entry = member.entry()
            yield from _cut(entry, at + size, first, end)
            size += len(entry)
        yield from _cut(_end(len(self.members), size, at), at + size, first, end)


def _end(members: int, index_bytes: int, index_at: int) -> bytes:
    """What closes the zip. With the fields for large ones where the old ones are too short."""
    large = b""
    if members > _LARGEST_16 or index_bytes > _LARGEST_32 or index_at > _LARGEST_32:
        front = (
            _END_LARGE_BYTES - 12,
            3 << 8 | _LARGE,
            _LARGE,
            0,
            0,
            members,
            members,
            index_bytes,
            index_at,
        )
        large = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", *front)
        large += struct.pack("<4sLQL", b"PK\6\7", 0, index_at + index_bytes, 1)
    count = min(members, _LARGEST_16)
    places = min(index_bytes, _LARGEST_32), min(index_at, _LARGEST_32)
    return large + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, count, count, *places, 0)


def _cut(piece: bytes, at: int, first: int, end: int) -> Iterator[bytes]:
    """The part of ``piece``, which stands at ``at``, that lies from ``first`` to before ``end``."""
    wanted = piece[max(0, first - at) : max(0, end - at)]
    if wanted:
        yield wanted


def _read(path: Path, first: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        left = end - first
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk


def _crc32(path: Path) -> int:
    stat = path.stat()
    return _crc32_of(path, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=65536)
def _crc32_of(path: Path, state: tuple[int, int]) -> int:
    """Read once per process and state (size, time of change): a download in many parts asks for it every time."""
    found = 0
    for chunk in _read(path, 0, state[0]):
        found = zlib.crc32(chunk, found)
    return found
