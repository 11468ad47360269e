"""Masks as few bytes for a viewer: of one slice the rectangle around it and its bits in there, of a volume all its bits,
and a number for each voxel."""

import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode

_LEVEL = 9  # a few hundred bytes: the time is not worth counting
_LEVEL_OF_ALL = 6


def mask_bits(mask: NDArray[np.bool_]) -> bytes:
    """A whole mask ``(nz, ny, nx)``: a zlib stream of bits, x fastest, each slice padded to whole bytes, the first voxel in
    the highest bit."""
    return zlib.compress(np.packbits(mask.reshape(len(mask), -1), axis=1).tobytes(), _LEVEL_OF_ALL)


def map_bytes(values: NDArray[np.uint8]) -> bytes:
    """A number for each voxel ``(nz, ny, nx)``: a zlib stream of bytes, x fastest."""
    return zlib.compress(values.tobytes(), _LEVEL_OF_ALL)


@dataclass(frozen=True)
class MaskRegion:
    """What a mask covers of a slice.

    Attributes:
        box: x0, y0, x1, y1 in half-open voxel edges, as small as can be; 0, 0, 0, 0 when nothing is covered.
        bits: a zlib stream of the bits of the rectangle, row by row without padding between them, the first voxel in
            the highest bit.
    """

    box: tuple[int, int, int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        """From a boolean slice ``(y, x)``."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls((0, 0, 0, 0), zlib.compress(b"", _LEVEL))
        x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        bits = np.packbits(mask[y0:y1, x0:x1].ravel())
        return cls((x0, y0, x1, y1), zlib.compress(bits.tobytes(), _LEVEL))

    def mask(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The boolean slice ``(y, x)`` of ``size`` = (rows, columns).

        Raises:
            Corrupt: ``blob_corrupt``, the bits are not those of the rectangle.
        """
        x0, y0, x1, y1 = self.box
        count = (y1 - y0) * (x1 - x0)
        try:
            bits = np.unpackbits(np.frombuffer(zlib.decompress(self.bits), np.uint8))
        except zlib.error as error:
            raise Corrupt(ErrorCode.BLOB_CORRUPT, "The bits of a region cannot be unpacked.") from error
        if not count <= len(bits) < count + 8:
            raise Corrupt(ErrorCode.BLOB_CORRUPT, f"A region of {count} voxels came with {len(bits)} bits.")
        whole = np.zeros(size, dtype=bool)
        whole[y0:y1, x0:x1] = bits[:count].reshape(y1 - y0, x1 - x0)
        return whole
