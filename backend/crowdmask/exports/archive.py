"""A dataset's folder as a zip, streamed."""

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1024**2
#: No time of ours in it: the same folder gives the same bytes. The earliest that a zip can say.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def zipped(folder: Path) -> Iterator[bytes]:
    """The zip of a folder, piece by piece; names in it begin with the folder's own name.

    Stored, not compressed: images and masks are gzip already. Sizes beyond 4 GB are announced before they are reached, so
    a file of any size is written right. The same folder gives the same bytes.
    """
    sink = _Sink()
    # Written to a stream that cannot go back, so sums follow each file and the index stands at the end.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", _DATE)
            entry.create_system = _UNIX
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield from sink.taken()
    yield from sink.taken()


class _Sink:
    """A file that can only be written to, and gives away what it has got."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, content: bytes, /) -> int:
        self._pieces.append(content)
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to do."""

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        yield from pieces
