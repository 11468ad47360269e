"""The bytes of a NIfTI file, compressed or not, read once from front to end under a cap, with every checksum.

nibabel and gzip-reading libraries stop where the voxels end, so a wrong checksum, a missing trailer or a second
member goes unseen; here the file is always read to its end (faults 1-5, 17, docs/faults.md).
"""

import zlib
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from crowdmask.core.errors import ErrorCode, InvalidInput, NotFound

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18

#: An image that grows by more than this factor, and beyond this size, is taken as a bomb.
_BOMB_RATIO = 200
_BOMB_BYTES = 256 * 2**20

_LONGEST_NAME = 100

_DAMAGED = "Send the file again; if that does not help, save it again from the tool it came from."


class NiftiStream:
    """Plain bytes of a file, read forwards; what it is, is told by its first bytes, not by its name.

    Args:
        path: of the file.
        sparse: whether the file may be nearly all zeros, as a label map is. Measured voxels are never so regular that
            they shrink by a factor of 200, so an image that does is refused long before its announced end.

    Attributes:
        size: bytes on disk.
        compressed: whether the file is gzip.

    Raises:
        NotFound: ``not_found``, there is no such file.
        InvalidInput: ``file_empty``; while reading ``nifti_truncated``, ``nifti_corrupt``, ``file_too_large``.
    """

    def __init__(self, path: Path, *, sparse: bool = False) -> None:
        path = Path(path)
        if not path.is_file():
            raise NotFound(ErrorCode.NOT_FOUND, f"There is no file {path}.")
        self.size = path.stat().st_size
        if self.size == 0:
            raise InvalidInput(ErrorCode.FILE_EMPTY, "The file is empty.", hint="Send the file again.")
        self._sparse = sparse
        self._file = path.open("rb")
        self.compressed = self._file.read(2) == _GZIP_MAGIC
        self._file.seek(0)
        # 31: one gzip member, with its CRC-32 and length checked by zlib at the end.
        self._inflate = zlib.decompressobj(31) if self.compressed else None
        self._pending = b""
        self._given = 0

    def read_into(self, target: memoryview) -> int:
        """Fill ``target`` as far as the file goes; returns the number of bytes."""
        done = 0
        while done < len(target):
            piece = self._next(min(_CHUNK, len(target) - done))
            if not piece:
                break
            target[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end of the file."""
        target = bytearray(size)
        return bytes(target[: self.read_into(memoryview(target))])

    def skip(self, size: int) -> int:
        """Read on without keeping; returns the number of bytes that were there."""
        done = 0
        while done < size:
            piece = self._next(min(_CHUNK, size - done))
            if not piece:
                break
            done += len(piece)
        return done

    def finish(self, allowance: int) -> int:
        """Read to the very end; returns how many bytes were left.

        Raises:
            InvalidInput: ``file_too_large`` when more than ``allowance`` bytes were left;
                ``nifti_truncated`` or ``nifti_corrupt`` when the gzip trailer is missing or does not agree.
        """
        left = self.skip(allowance + 1)
        if left > allowance:
            raise InvalidInput(
                ErrorCode.FILE_TOO_LARGE,
                f"The file holds more than {allowance} bytes beyond the voxels that its header announces.",
                hint=_DAMAGED,
            )
        if self._inflate is not None:
            # Where the stream ends with a chunk, what follows it has not been read yet.
            tail = self._inflate.unused_data or self._file.read(_CHUNK)
            while tail:
                if tail.strip(b"\0"):
                    self._refuse_corrupt("there are more bytes after the end of its gzip stream")
                tail = self._file.read(_CHUNK)
        return left

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, most: int) -> bytes:
        """At least one and at most ``most`` bytes; empty only at the end."""
        if self._inflate is None:
            return self._file.read(most)
        while not self._inflate.eof:
            source = self._pending or self._file.read(_CHUNK)
            try:
                # Without new input there can still be output that zlib holds back.
                piece = self._inflate.decompress(source, most)
            except zlib.error as error:
                self._refuse_corrupt(str(error).partition(": ")[2] or "it cannot be decompressed")
            if not source and not piece and not self._inflate.eof:
                raise InvalidInput(
                    ErrorCode.NIFTI_TRUNCATED,
                    "The file was cut off: its compressed content ends too early.",
                    hint=_DAMAGED,
                )
            self._pending = self._inflate.unconsumed_tail
            self._given += len(piece)
            self._check_ratio()
            if piece:
                return piece
        return b""

    def _check_ratio(self) -> None:
        if self._sparse:
            return
        taken = self._file.tell() - len(self._pending)
        if self._given > _BOMB_BYTES and self._given > _BOMB_RATIO * taken:
            raise InvalidInput(
                ErrorCode.FILE_TOO_LARGE,
                f"The file grows to more than {_BOMB_RATIO} times its size when it is decompressed.",
                hint="Send it uncompressed (.nii) if it really is that regular.",
            )

    def _refuse_corrupt(self, why: str) -> NoReturn:
        raise InvalidInput(ErrorCode.NIFTI_CORRUPT, f"The file is damaged: {why}.", hint=_DAMAGED)


def name_for_people(path: Path, name: str | None = None) -> str:
    """A file's name for sentences: ``name`` when it is given, else the path's last part.

    Empty for a file in storage, whose own name is a hash that says nothing to anybody. What cannot be printed or
    encoded becomes ``?``, and the middle of a long name is left out.
    """
    if name is None:
        stored = len(path.name) == 64 and set(path.name) <= set("0123456789abcdef")
        name = "" if stored else path.name
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:60]}...{shown[-30:]}"


def read_header(stream: NiftiStream) -> bytes:
    """The bytes of a single-file NIfTI-1 or NIfTI-2 header.

    Raises:
        InvalidInput: ``not_nifti``, ``nifti_truncated``.
    """
    start = stream.read(4)
    size = next((n for n in (348, 540) if start in (n.to_bytes(4, "little"), n.to_bytes(4, "big"))), 0)
    if not size:
        raise InvalidInput(
            ErrorCode.NOT_NIFTI,
            f"The file is not a NIfTI file{_looks_like(start)}.",
            hint="Send a .nii or .nii.gz file.",
        )
    header = start + stream.read(size - 4)
    if len(header) < size:
        raise InvalidInput(
            ErrorCode.NIFTI_TRUNCATED,
            f"The file ends inside its header, after {len(header)} bytes.",
            hint="Send the file again.",
        )
    magic = header[344:348] if size == 348 else header[4:12]
    if magic not in (b"n+1\0", b"n+2\0\r\n\x1a\n"):
        pair = magic[:3] in (b"ni1", b"ni2")
        raise InvalidInput(
            ErrorCode.NOT_NIFTI,
            f"The file is {'one half of a .hdr / .img pair' if pair else 'not a NIfTI file'}.",
            hint="Save it as one .nii.gz file.",
        )
    return header


def _looks_like(start: bytes) -> str:
    if start[:2] == b"PK":
        return " but a zip archive"
    if start.lstrip()[:1] == b"<":
        return " but a web page or XML"
    if start and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start):
        return " but a text"
    return ""
