"""NIfTI files: the checked way in, the exact way out. The only place that knows nibabel.

Reading passes the whole gate (docs/faults.md, faults 1-18): the container by ``nifti_stream``, the header by
``nifti_header``, the voxels here. What comes out is canonical LPS ``(z, y, x)``; what goes out lies on the source's own grid.
"""

# mypy: disable-error-code="no-untyped-call"
# nibabel leaves many of its functions without types; each is used behind a typed function here.
import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.files import write_whole
from crowdmask.core.label_values import integer_labels
from crowdmask.core.nifti_header import CONFLICT_SPACINGS, HeaderFields, Layout, check_header
from crowdmask.core.nifti_stream import NiftiStream, name_for_people, read_header
from crowdmask.core.nifti_voxels import check_values, read_voxels, real_values
from crowdmask.core.notices import Notice
from crowdmask.core.volume import Grid, Orientation, corners_of, is_sheared

__all__ = [
    "DEFAULT_LIMIT_BYTES",
    "Image",
    "Notice",
    "SourceGrid",
    "orientation_of",
    "read_label_map",
    "read_source_grid",
    "read_volume",
    "voxels_sha256",
    "write_mask",
    "write_volume",
]

#: The most bytes a file may have when it is decompressed: a float32 volume of 512 x 512 x 2000.
DEFAULT_LIMIT_BYTES = 2 * 2**30

#: A NIfTI-2 header has 540; many readers know only NIfTI-1.
NIFTI1_HEADER_BYTES = 348

_WRITTEN_DTYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16}
#: What a mask takes over from its source: the geometry. Descriptions stay behind, they may name a patient.
_GEOMETRY_FIELDS = [
    "xyzt_units",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
]


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """Everything that a mask needs to lie exactly on the grid of the file it was made from.

    Attributes:
        header: the source's header, byte for byte (348 or 540 bytes).
        orientation: from the file's axes to canonical LPS.
        shape: spatial, in file order ``(i, j, k)``; one slice has k = 1.
        grid: the canonical grid.
    """

    header: bytes
    orientation: Orientation
    shape: tuple[int, int, int]
    grid: Grid


@dataclass(frozen=True, eq=False)
class Image:
    """A file that passed the gate.

    Attributes:
        voxels: ``(z, y, x)``, C-contiguous. The stored integers, or float32 when the file holds floats or scales.
        grid: canonical.
        source: for ``write_mask``.
        notices: what was accepted but is worth saying.
    """

    voxels: NDArray[Any]
    grid: Grid
    source: SourceGrid
    notices: tuple[Notice, ...]


def orientation_of(affine: NDArray[np.float64]) -> Orientation:
    """The permutation and flips that bring a file with this affine closest to LPS; ties as nibabel breaks them."""
    axes, flips = [0, 0, 0], [False, False, False]
    for axis, (world, sign) in enumerate(io_orientation(affine)):
        # nibabel counts towards right, anterior, superior; canonical x and y run the other way.
        wanted = 1.0 if int(world) == 2 else -1.0
        axes[int(world)] = axis
        flips[int(world)] = float(sign) != wanted
    return Orientation(axes=(axes[0], axes[1], axes[2]), flips=(flips[0], flips[1], flips[2]))


def read_volume(
    path: Path,
    *,
    assume_affine: bool = False,
    volume_index: int | None = None,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    name: str | None = None,
) -> Image:
    """Read an image through the whole gate; nothing of a refused file is returned.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file (told by its bytes, not its name).
        assume_affine: take the axes as right, anterior, superior when, and only when, the file does not say.
        volume_index: which 3D volume (from 0) of a file that holds several.
        limit_bytes: the most the file may have when it is decompressed.
        name: that people know the file by, where it is stored under another; every refusal begins with it.

    Raises:
        NotFound: there is no such file.
        InvalidInput: any code of the group "Files".
    """

    def values(raw: NDArray[Any], layout: Layout, notices: list[Notice]) -> NDArray[Any]:
        voxels = real_values(raw, layout.scaling)
        check_values(voxels, notices)
        return voxels

    return _read(
        path,
        values,
        labels=False,
        assume_affine=assume_affine,
        volume_index=volume_index,
        limit_bytes=limit_bytes,
        name=name,
    )


def read_label_map(
    path: Path,
    *,
    assume_affine: bool = False,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    name: str | None = None,
) -> Image:
    """Read a label map through the gate: voxels are uint8, or int32 when a label is above 255.

    Values that are whole but for rounding (1.0000000354, from scaled files) are rounded. Arguments as ``read_volume``.

    Raises:
        NotFound: there is no such file.
        InvalidInput: ``label_values_invalid`` with the list of values, or any other code of the group "Files".
    """

    def values(raw: NDArray[Any], layout: Layout, notices: list[Notice]) -> NDArray[Any]:
        return integer_labels(raw, layout.scaling, notices)

    return _read(
        path,
        values,
        labels=True,
        assume_affine=assume_affine,
        volume_index=None,
        limit_bytes=limit_bytes,
        name=name,
    )


def read_source_grid(path: Path, *, assume_affine: bool = False) -> SourceGrid:
    """Read the header only, for writing a mask on the file's grid.

    Raises:
        NotFound: there is no such file.
        InvalidInput: as ``read_volume``, for what a header can tell.
    """
    with _naming(name_for_people(Path(path))):
        with NiftiStream(path) as stream:
            header = read_header(stream)
        layout = check_header(_fields(header), labels=True, assume_affine=assume_affine)
        return _source_grid(header, layout)


def write_mask(path: Path, mask: NDArray[Any], source: SourceGrid) -> None:
    """Write a mask exactly on its source's grid: same shape, affine, sform, qform, codes, voxel sizes and units.

    The grid is the spatial one: for a source of shape ``(i, j, k, 1)`` the mask is ``(i, j, k)``, for a 2D source
    ``(i, j, 1)``. Same input, same bytes. Compressed unless the name ends with ``.nii``.

    Args:
        path: of the new file; it appears whole or not at all.
        mask: ``(z, y, x)`` canonical; whole numbers 0..255 of any dtype.
        source: of the image.

    Raises:
        Conflict: ``grid_mismatch`` when the mask's shape is not the volume's.
        InvalidInput: ``label_values_invalid`` when a value does not fit.
        Unavailable: ``storage_full``.
    """
    if mask.shape != source.grid.shape:
        raise Conflict(
            ErrorCode.GRID_MISMATCH,
            f"The mask has the shape {mask.shape}, its volume {source.grid.shape} (z, y, x).",
            hint="Masks are written on the grid of the volume they were made from.",
        )
    with np.errstate(invalid="ignore"):
        plain = mask.astype(np.uint8)
    if plain.dtype != mask.dtype and not np.array_equal(plain, mask):
        raise InvalidInput(
            ErrorCode.LABEL_VALUES_INVALID,
            f"A mask holds whole numbers from 0 to 255; this one has values from {mask.min()} to {mask.max()}.",
        )
    given = _parse(source.header)
    header = type(given)(endianness=given.endianness)
    for name in _GEOMETRY_FIELDS:
        header[name] = given[name]
    pixdim = np.array(given["pixdim"])
    if int(given["dim"][0]) == 2 and not pixdim[3] > 0:
        pixdim[3] = 1.0
    header["pixdim"][:4] = pixdim[:4]
    _write(path, header, source.orientation.from_canonical(plain))


def write_volume(path: Path, voxels: NDArray[Any], grid: Grid) -> None:
    """Write a canonical LPS volume (``(z, y, x)``; uint8, int16, int32 or float32) with its grid. Deterministic.

    The sform is the grid's affine; a qform repeats it where it can.

    Raises:
        Conflict: ``grid_mismatch`` when shape and grid disagree.
        InvalidInput: ``unsupported_dtype``.
        Unavailable: ``storage_full``.
    """
    if voxels.shape != grid.shape:
        raise Conflict(
            ErrorCode.GRID_MISMATCH,
            f"The voxels have the shape {voxels.shape}, the grid {grid.shape} (z, y, x).",
        )
    if voxels.dtype.str[1:] not in _WRITTEN_DTYPES:
        raise InvalidInput(
            ErrorCode.UNSUPPORTED_DTYPE,
            f"Volumes are written as uint8, int16, int32 or float32, not {voxels.dtype}.",
        )
    header = Nifti1Header(endianness="<")
    header.set_sform(grid.affine, code=1)
    header.set_qform(grid.affine, code=1)
    # A qform holds no shear, and on a large oblique grid its float32 quaternion is too coarse: two forms that
    # disagree would be refused by the next reader, the first of which is our own gate.
    apart = np.linalg.norm(corners_of(header.get_qform(), voxels.shape[::-1]) - grid.corners(), axis=1).max()
    if is_sheared(grid.affine) or apart > CONFLICT_SPACINGS * min(grid.spacing):
        header.set_qform(None, code=0)
    header["pixdim"][1:4] = grid.spacing
    header.set_xyzt_units("mm")
    _write(path, header, voxels.transpose(2, 1, 0))


def voxels_sha256(image: Image) -> str:
    """What the volume *is*, whatever file it came in (fault 19): sha256 of its canonical voxels and affine.

    Voxels count as float32 and the affine to a thousandth of a mm, so another dtype, byte order, compression or
    order of axes gives the same hash.
    """
    digest = hashlib.sha256(np.array(image.grid.shape, dtype="<i8").tobytes())
    # Adding 0.0 makes one zero of -0.0 and 0.0.
    digest.update((np.round(image.grid.affine, 3) + 0.0).astype("<f8").tobytes())
    for plane in image.voxels:
        values = plane.astype("<f4") + np.float32(0.0)
        values[np.isnan(values)] = np.nan
        digest.update(values.tobytes())
    return digest.hexdigest()


def _read(
    path: Path,
    values: Callable[[NDArray[Any], Layout, list[Notice]], NDArray[Any]],
    *,
    labels: bool,
    assume_affine: bool,
    volume_index: int | None,
    limit_bytes: int,
    name: str | None,
) -> Image:
    name = name_for_people(Path(path), name)
    with _naming(name):
        with NiftiStream(path, sparse=labels) as stream:
            header = read_header(stream)
            layout = check_header(_fields(header), labels=labels, assume_affine=assume_affine)
            notices = list(layout.notices)
            raw = read_voxels(
                stream,
                layout,
                header_bytes=len(header),
                volume_index=volume_index,
                limit_bytes=limit_bytes,
                name=name,
                notices=notices,
            )
        source = _source_grid(header, layout)
        voxels = source.orientation.to_canonical(values(raw, layout, notices))
    return Image(voxels=voxels, grid=source.grid, source=source, notices=tuple(notices))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the file's name, if it has one for people, in front of what the block refuses it for."""
    try:
        yield
    except InvalidInput as error:
        if not name:
            raise
        raise InvalidInput(error.code, f"{name}: {error.message}", hint=error.hint) from error


def _source_grid(header: bytes, layout: Layout) -> SourceGrid:
    orientation = orientation_of(layout.affine)
    return SourceGrid(
        header=header,
        orientation=orientation,
        shape=layout.shape,
        grid=orientation.canonical_grid(layout.affine, layout.shape),
    )


def _parse(header: bytes) -> Any:
    """nibabel's view of the header's fields, unchecked and unrepaired."""
    order = "<" if int.from_bytes(header[:4], "little") in (348, 540) else ">"
    kind = Nifti1Header if len(header) == NIFTI1_HEADER_BYTES else Nifti2Header
    return kind(header, endianness=order, check=False)


def _fields(raw: bytes) -> HeaderFields:
    header = _parse(raw)
    b, c, d = (float(header[f"quatern_{axis}"]) for axis in "bcd")
    x, y, z = (float(header[f"qoffset_{axis}"]) for axis in "xyz")
    return HeaderFields(
        size=len(raw),
        big_endian=header.endianness == ">",
        dim=tuple(int(size) for size in header["dim"]),
        pixdim=tuple(float(size) for size in header["pixdim"]),
        datatype=int(header["datatype"]),
        vox_offset=float(header["vox_offset"]),
        slope=float(header["scl_slope"]),
        intercept=float(header["scl_inter"]),
        units=int(header["xyzt_units"]),
        qform_code=int(header["qform_code"]),
        sform_code=int(header["sform_code"]),
        quaternion=(b, c, d),
        qoffset=(x, y, z),
        srows=tuple(tuple(float(value) for value in header[f"srow_{axis}"]) for axis in "xyz"),
    )


def _write(path: Path, header: Any, voxels: NDArray[Any]) -> None:
    """Write voxels in file order ``(i, j, k)`` behind a header whose geometry is set."""
    voxels = voxels.astype(voxels.dtype.newbyteorder(header.endianness), copy=False)
    size = header.template_dtype.itemsize
    header["dim"] = (3, *voxels.shape, 1, 1, 1, 1)
    header["datatype"] = _WRITTEN_DTYPES[voxels.dtype.str[1:]]
    header["bitpix"] = voxels.dtype.itemsize * 8
    header["vox_offset"] = size + 4
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    front = header.binaryblock + bytes(4)
    with write_whole(path) as file:
        if Path(path).name.endswith(".nii"):
            file.write(front)
            file.writelines(voxels[:, :, k].tobytes(order="F") for k in range(voxels.shape[2]))
            return
        # No name and no time in the gzip header: the same mask gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            packed.write(front)
            for k in range(voxels.shape[2]):
                packed.write(voxels[:, :, k].tobytes(order="F"))
