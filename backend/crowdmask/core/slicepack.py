"""The slice pack: one immutable file per volume, which viewer, segmenter and preview read slice by slice.

Canonical voxels as int16 with ``value = stored * scale + offset``. Layout, little-endian::

    8 bytes   magic "CMPACK01"
    header    struct ``_HEADER``: nz, ny, nx, scale, offset, the statistics, count of non-finite voxels
    index     per slice: position (u64) and length (u64) of its compressed bytes
    u32       CRC-32 of header and index
    slices    each a zlib stream of its own, int16 ``(y, x)``; zlib's checksum finds damage

There is no affine in it, so its hash depends on the canonical voxels only. See docs/architecture.md, "Geometry contract".
"""

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput
from crowdmask.core.files import write_whole

#: More than this share of voxels without a finite value is a damaged volume, not a few bad voxels.
MAXIMUM_NON_FINITE = 0.05

_MAGIC = b"CMPACK01"
_HEADER = struct.Struct("<3I6dQ")
_INDEX_DTYPE = np.dtype("<u8")
_STORED_DTYPE = np.dtype("<i2")
_CHECK = struct.Struct("<I")
_INT16 = np.iinfo(np.int16)
_LEVELS = 65_536


@dataclass(frozen=True)
class PackSummary:
    """What a volume's row keeps of its pack.

    Attributes:
        sha256: of the whole file.
        shape: ``(nz, ny, nx)``.
        scale, offset: ``value = stored * scale + offset``; 1 and 0 for whole numbers in int16 range.
        finite_minimum, finite_maximum: over the finite voxels of the source.
        percentile_low, percentile_high: 0.5 and 99.5, over the finite voxels, as stored.
        non_finite: how many voxels were not finite; they are stored as the finite minimum.
    """

    sha256: str
    shape: tuple[int, int, int]
    scale: float
    offset: float
    finite_minimum: float
    finite_maximum: float
    percentile_low: float
    percentile_high: float
    non_finite: int


@dataclass(frozen=True)
class _Statistics:
    minimum: float
    maximum: float
    whole_numbers: bool
    non_finite: int


def check_finite(non_finite: int, total: int) -> None:
    """Refuse a volume of which more than 5 % is not finite.

    Raises:
        InvalidInput: ``not_finite``.
    """
    if non_finite > MAXIMUM_NON_FINITE * total:
        raise InvalidInput(
            ErrorCode.NOT_FINITE,
            f"{non_finite} of {total} voxels ({non_finite / total:.1%}) are NaN or infinite; at most 5 % may be.",
            hint="Save the volume again from the tool it came from.",
        )


def write_pack(path: Path, voxels: NDArray[Any]) -> PackSummary:
    """Write ``voxels`` (``(z, y, x)``, any real dtype) as a slice pack. The same voxels give the same bytes.

    Raises:
        InvalidInput: ``dimensions_invalid``, or ``not_finite`` when more than 5 % of the voxels are not finite.
        Unavailable: ``storage_full``.
    """
    if voxels.ndim != 3 or 0 in voxels.shape:
        raise InvalidInput(
            ErrorCode.DIMENSIONS_INVALID, f"A slice pack holds a 3D volume; got shape {voxels.shape}."
        )
    nz, ny, nx = voxels.shape
    found = _statistics(voxels)
    if found.whole_numbers and _INT16.min <= found.minimum and found.maximum <= _INT16.max:
        scale, offset = 1.0, 0.0
    elif found.minimum == found.maximum:
        scale, offset = 1.0, found.minimum
    else:
        scale = (found.maximum - found.minimum) / (_LEVELS - 1)
        offset = found.minimum - _INT16.min * scale

    counts = np.zeros(_LEVELS, dtype=np.int64)
    index = np.zeros((nz, 2), dtype=_INDEX_DTYPE)
    with write_whole(path) as file:
        position = len(_MAGIC) + _HEADER.size + index.nbytes + _CHECK.size
        file.seek(position)
        for z in range(nz):
            stored = _quantise(voxels[z], scale, offset, found.minimum)
            counts += np.bincount(stored.reshape(-1).astype(np.int64) - _INT16.min, minlength=_LEVELS)
            compressed = zlib.compress(stored.tobytes(), 6)
            file.write(compressed)
            index[z] = position, len(compressed)
            position += len(compressed)
        lowest = round((found.minimum - offset) / scale) - _INT16.min
        counts[lowest] -= found.non_finite
        low, high = (_percentile(counts, share) * scale + offset for share in (0.005, 0.995))
        header = _HEADER.pack(
            nz, ny, nx, scale, offset, found.minimum, found.maximum, low, high, found.non_finite
        )
        front = header + index.tobytes()
        file.seek(0)
        file.write(_MAGIC + front + _CHECK.pack(zlib.crc32(front)))
        sha256 = _sha256(file)
    return _summary(header, sha256)


class SlicePack:
    """A slice pack opened for reading; a context manager. Each slice is read by its position, so
    threads may share one pack.
    """

    def __init__(self, file: BufferedIOBase, header: bytes, index: NDArray[np.uint64]) -> None:
        self._file = file
        self._header = header
        self._index = index
        self._checked: set[int] = set()
        nz, ny, nx, scale, offset, *_ = _HEADER.unpack(header)
        self.shape: tuple[int, int, int] = (nz, ny, nx)
        self.scale: float = scale
        self.offset: float = offset

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open and check the front of the file; slices are checked when they are read.

        Raises:
            Corrupt: ``slice_pack_corrupt``, ``blob_missing``.
        """
        try:
            file = Path(path).open("rb")  # noqa: SIM115  # the pack keeps it open until close()
        except (FileNotFoundError, IsADirectoryError):
            raise Corrupt(
                ErrorCode.BLOB_MISSING,
                f"The slice pack {Path(path).name} is missing.",
                hint="Ingest the volume again.",
            ) from None
        try:
            header, index = _read_front(file)
            return cls(file, header, index)
        except BaseException:
            file.close()
            raise

    @cached_property
    def summary(self) -> PackSummary:
        """The statistics of the header and the sha256; the latter reads the whole file, once."""
        return _summary(self._header, _sha256(self._file))

    @property
    def compressed_bytes(self) -> int:
        """Of all slices together."""
        return int(self._index[:, 1].sum())

    def compressed(self, z: int) -> bytes:
        """Slice ``z`` as it lies on the disk: a zlib stream of little-endian int16 ``(y, x)``.

        It is inflated, and so checked, the first time that it is asked for.

        Raises:
            InvalidInput: ``slice_out_of_range``.
            Corrupt: ``slice_pack_corrupt``.
        """
        content = self._read(z)
        if z not in self._checked:
            self._inflate(z, content)
            self._checked.add(z)
        return content

    def stored(self, z: int) -> NDArray[np.int16]:
        """Slice ``z`` as it is stored: int16 ``(y, x)``.

        Raises:
            InvalidInput: ``slice_out_of_range``.
            Corrupt: ``slice_pack_corrupt``.
        """
        plain = self._inflate(z, self._read(z))
        return np.frombuffer(plain, dtype=_STORED_DTYPE).reshape(self.shape[1:]).astype(np.int16, copy=False)

    def _read(self, z: int) -> bytes:
        nz = self.shape[0]
        if not 0 <= z < nz:
            raise InvalidInput(
                ErrorCode.SLICE_OUT_OF_RANGE,
                f"There is no slice {z}: the volume has the slices 0 to {nz - 1}.",
            )
        position, length = (int(value) for value in self._index[z])
        return os.pread(self._file.fileno(), length, position)

    def _inflate(self, z: int, content: bytes) -> bytes:
        _, ny, nx = self.shape
        size = ny * nx * _STORED_DTYPE.itemsize
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(content, size + 1)
        except zlib.error:
            raise _corrupt(f"slice {z} cannot be decompressed") from None
        if len(plain) != size or not stream.eof or stream.unused_data:
            raise _corrupt(f"slice {z} has not the {size} bytes that it should have")
        return plain

    def values(self, z: int) -> NDArray[np.float32]:
        """Slice ``z`` in the volume's own unit (HU for CT): float32 ``(y, x)``.

        Raises:
            InvalidInput: ``slice_out_of_range``.
            Corrupt: ``slice_pack_corrupt``.
        """
        stored = self.stored(z)
        if self.scale == 1.0 and self.offset == 0.0:
            return stored.astype(np.float32)
        return (stored.astype(np.float64) * self.scale + self.offset).astype(np.float32)

    def volume(self) -> NDArray[np.float32]:
        """All slices: float32 ``(z, y, x)``.

        Raises:
            Corrupt: ``slice_pack_corrupt``.
        """
        whole = np.empty(self.shape, dtype=np.float32)
        for z in range(self.shape[0]):
            whole[z] = self.values(z)
        return whole

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _statistics(voxels: NDArray[Any]) -> _Statistics:
    """One pass, slice by slice, so that no second copy of the volume is needed."""
    minimum, maximum, whole, non_finite = np.inf, -np.inf, True, 0
    for plane in voxels:
        finite = plane
        if plane.dtype.kind == "f":
            finite = plane[np.isfinite(plane)]
            non_finite += plane.size - finite.size
            whole = whole and bool(np.array_equal(finite, np.rint(finite)))
        if finite.size:
            minimum = min(minimum, float(finite.min()))
            maximum = max(maximum, float(finite.max()))
    check_finite(non_finite, voxels.size)
    return _Statistics(minimum=minimum, maximum=maximum, whole_numbers=whole, non_finite=non_finite)


def _quantise(plane: NDArray[Any], scale: float, offset: float, background: float) -> NDArray[np.int16]:
    if plane.dtype.kind != "f" and scale == 1.0 and offset == 0.0:
        return plane.astype(_STORED_DTYPE)
    values = plane.astype(np.float64)
    values[~np.isfinite(values)] = background
    levels = np.rint((values - offset) / scale)
    return np.clip(levels, _INT16.min, _INT16.max).astype(_STORED_DTYPE)


def _percentile(counts: NDArray[np.int64], share: float) -> float:
    """The stored value at that share of the sorted voxels, linear between neighbours as in numpy."""
    ends = np.cumsum(counts)
    position = share * (int(ends[-1]) - 1)
    below = int(np.floor(position))
    first, second = (int(np.searchsorted(ends, rank, side="right")) for rank in (below, below + 1))
    second = min(second, int(np.flatnonzero(counts)[-1]))
    return first + (second - first) * (position - below) + _INT16.min


def _read_front(file: BufferedIOBase) -> tuple[bytes, NDArray[np.uint64]]:
    size = os.fstat(file.fileno()).st_size
    start = file.read(len(_MAGIC) + _HEADER.size)
    if len(start) != len(_MAGIC) + _HEADER.size or not start.startswith(_MAGIC):
        raise _corrupt("it does not begin as one")
    header = start[len(_MAGIC) :]
    nz, ny, nx = _HEADER.unpack(header)[:3]
    index_bytes = nz * 2 * _INDEX_DTYPE.itemsize
    if min(nz, ny, nx) < 1 or len(start) + index_bytes + _CHECK.size > size:
        raise _corrupt("it is shorter than its index")
    raw = file.read(index_bytes)
    if _CHECK.unpack(file.read(_CHECK.size))[0] != zlib.crc32(header + raw):
        raise _corrupt("the checksum of its header is wrong")
    index = np.frombuffer(raw, dtype=_INDEX_DTYPE).reshape(nz, 2)
    if int(index[-1].sum()) != size:
        raise _corrupt(f"it has {size} bytes and should have {int(index[-1].sum())}")
    return header, index


def _summary(header: bytes, sha256: str) -> PackSummary:
    nz, ny, nx, scale, offset, minimum, maximum, low, high, non_finite = _HEADER.unpack(header)
    return PackSummary(
        sha256=sha256,
        shape=(nz, ny, nx),
        scale=scale,
        offset=offset,
        finite_minimum=minimum,
        finite_maximum=maximum,
        percentile_low=low,
        percentile_high=high,
        non_finite=non_finite,
    )


def _sha256(file: BufferedIOBase) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _corrupt(what: str) -> Corrupt:
    return Corrupt(
        ErrorCode.SLICE_PACK_CORRUPT,
        f"The slice pack is damaged: {what}.",
        hint="Ingest the volume again; its source file is kept.",
    )
