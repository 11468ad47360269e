"""Healthy NIfTI files as bytes, how to damage them, and how a damaged one is refused."""

import os
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.nifti import read_volume

AFFINE = np.array([[-0.8, 0, 0, 40], [0, -0.8, 0, 50], [0, 0, 2.5, -700], [0, 0, 0, 1]])
SHAPE = (12, 10, 8)
# Where the fields of a NIfTI-1 header lie.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE = 40, 70, 76, 108, 112
UNITS, QFORM_CODE, SFORM_CODE, QUATERNION, SROW, MAGIC = 123, 252, 254, 256, 280, 344


def noise(shape=SHAPE, dtype=np.int16) -> np.ndarray:
    return np.random.default_rng(3).integers(-1000, 1000, shape).astype(dtype)


def plain(voxels: np.ndarray | None = None, *, sform: int = 1, qform: int = 1) -> bytearray:
    """The bytes of a healthy .nii file."""
    voxels = noise() if voxels is None else voxels
    image = nibabel.Nifti1Image(voxels, AFFINE, dtype=voxels.dtype)
    image.set_sform(AFFINE if sform else None, sform)
    image.set_qform(AFFINE if qform else None, qform)
    image.header["pixdim"][1:4] = 0.8, 0.8, 2.5
    image.header.set_xyzt_units("mm")
    return bytearray(image.to_bytes())


def put(content: bytearray, offset: int, form: str, *values: float) -> bytearray:
    struct.pack_into("<" + form, content, offset, *values)
    return content


def write(folder: Path, content: bytes, name: str = "image.nii") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def bomb(folder: Path, header: bytes, size: int) -> Path:
    """A small gzip file that grows to ``size`` zeros behind a header (its checksum is never reached)."""
    deflate = zlib.compressobj(9, wbits=31)
    start = deflate.compress(header) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(2**24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return write(folder, start + block * (size // 2**24) + deflate.flush(), "bomb.nii.gz")


def sparse(folder: Path, shape: tuple[int, int, int], dtype=np.int16) -> Path:
    """A large .nii file of zeros that takes no room on the disk."""
    header = put(plain(np.zeros(SHAPE, dtype)), DIM, "4h", 3, *shape)[:352]
    path = write(folder, header)
    os.truncate(path, 352 + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return path


def refused(path: Path, code: ErrorCode, read=read_volume, **options) -> InvalidInput:
    """The file is refused with that code and a sentence, and nothing is left behind."""
    with pytest.raises(InvalidInput) as caught:
        read(path, **options)
    assert caught.value.code is code
    assert caught.value.message.endswith(".")
    assert list(path.parent.iterdir()) == [path], "something was left behind"
    return caught.value


def notices(image) -> set[str]:
    return {notice.code for notice in image.notices}
