"""From the bytes behind a checked NIfTI header to voxel values (faults 1, 4, 5, 8, 14-16, docs/faults.md)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.nifti_header import Layout
from crowdmask.core.nifti_stream import NiftiStream
from crowdmask.core.notices import Notice
from crowdmask.core.slicepack import check_finite

#: Bytes after the last voxel that are read over with a notice; more is refused.
_TRAILING_ALLOWANCE = 2**20


def read_voxels(
    stream: NiftiStream,
    layout: Layout,
    *,
    header_bytes: int,
    volume_index: int | None,
    limit_bytes: int,
    name: str,
    notices: list[Notice],
) -> NDArray[Any]:
    """The chosen volume as stored, in file order ``(i, j, k)``; the file is read and checked to its very end.

    Args:
        stream: just behind the header.
        layout: of the header.
        header_bytes: how many bytes of the file were read.
        volume_index: which volume of a file that holds several, from 0.
        limit_bytes: the most the plain file may have.
        name: that the file has for people; its ending is compared with its bytes.
        notices: gets what was accepted but is worth saying.

    Raises:
        InvalidInput: ``volume_index_needed``, ``file_too_large``, ``nifti_truncated``, ``nifti_corrupt``.
    """
    index = _choose_volume(layout, volume_index)
    _check_size(stream, layout, limit_bytes)
    before = layout.data_offset - header_bytes + index * layout.volume_bytes
    after = (layout.volumes - 1 - index) * layout.volume_bytes
    buffer = np.empty(layout.volume_bytes, dtype=np.uint8)
    found = stream.skip(before) + stream.read_into(buffer.data) + stream.skip(after)
    if found < before + buffer.size + after:
        raise _truncated(layout, header_bytes + found)
    trailing = stream.finish(_TRAILING_ALLOWANCE)
    notices.extend(_name_notices(name, compressed=stream.compressed))
    if trailing:
        notices.append(Notice("trailing_bytes", f"{trailing} bytes after the last voxel were ignored."))
    if layout.volumes > 1:
        notices.append(
            Notice("volume_chosen", f"The file holds {layout.volumes} volumes; number {index} was taken.")
        )
    return buffer.view(layout.dtype).reshape(layout.shape, order="F")


def real_values(raw: NDArray[Any], scaling: tuple[float, float] | None) -> NDArray[Any]:
    """Stored integers as they are; floats and scaled values as float32. Native byte order."""
    if scaling is None and raw.dtype.kind != "f":
        return raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if scaling is None and raw.dtype.itemsize == 4:
        return raw.astype(np.float32, copy=False)
    slope, intercept = scaling or (1.0, 0.0)
    values = np.empty(raw.shape, dtype=np.float32, order="F")
    # What float32 cannot hold becomes infinite and is counted as such.
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(raw.shape[2]):
            values[:, :, k] = raw[:, :, k].astype(np.float64) * slope + intercept
    return values


def check_values(voxels: NDArray[Any], notices: list[Notice]) -> None:
    """Refuse too many voxels without a finite value; note the others, and a constant image.

    Raises:
        InvalidInput: ``not_finite``.
    """
    non_finite = 0
    if voxels.dtype.kind == "f":
        non_finite = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in voxels.T)
        check_finite(non_finite, voxels.size)
    if non_finite:
        notices.append(
            Notice(
                "non_finite",
                f"{non_finite} of {voxels.size} voxels are NaN or infinite; they are shown as the lowest value.",
            )
        )
    elif voxels.min() == voxels.max():
        notices.append(Notice("constant", f"All voxels have the value {voxels.flat[0]:g}."))


def _choose_volume(layout: Layout, volume_index: int | None) -> int:
    if volume_index is None and layout.volumes == 1:
        return 0
    if volume_index is None or not 0 <= volume_index < layout.volumes:
        asked = "" if volume_index is None else f", and there is no number {volume_index}"
        raise InvalidInput(
            ErrorCode.VOLUME_INDEX_NEEDED,
            f"The file holds {layout.volumes} volume{'s' if layout.volumes > 1 else ''}{asked}.",
            hint=f"Choose a volume index from 0 to {layout.volumes - 1}.",
        )
    return volume_index


def _check_size(stream: NiftiStream, layout: Layout, limit_bytes: int) -> None:
    if layout.file_bytes > limit_bytes:
        raise InvalidInput(
            ErrorCode.FILE_TOO_LARGE,
            f"The header announces {layout.file_bytes} bytes; at most {limit_bytes} are accepted.",
            hint="Crop or resample the volume.",
        )
    if not stream.compressed and stream.size < layout.file_bytes:
        raise _truncated(layout, stream.size)


def _truncated(layout: Layout, found: int) -> InvalidInput:
    return InvalidInput(
        ErrorCode.NIFTI_TRUNCATED,
        f"The file ends after {found} bytes; its header announces {layout.file_bytes}.",
        hint="Send the file again.",
    )


def _name_notices(name: str, *, compressed: bool) -> Iterator[Notice]:
    name = name.lower()
    if compressed and name.endswith(".nii"):
        yield Notice("renamed", "The file is named .nii but is compressed; it was read as .nii.gz.")
    if not compressed and name.endswith(".gz"):
        yield Notice("renamed", "The file is named .gz but is not compressed; it was read as .nii.")
