"""What a NIfTI header must say before any voxel is read (faults 6-13, docs/faults.md), on its plain fields.

The fields come from ``core.nifti``, the only place that knows nibabel; the rules are here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.notices import Notice
from crowdmask.core.volume import CORNER_TOLERANCE, check_affine, corners_of, is_sheared, spacing_of

#: sform and qform may differ by this many of the smallest spacings: float32 quaternions alone reach 0.9 mm.
CONFLICT_SPACINGS = 2.0

_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
}
#: Only label maps may be stored so wide; their values have to fit.
_LABEL_DTYPES = {1024: "i8", 1280: "u8"}
_OTHER_DTYPES = {
    1: "single bits",
    32: "complex numbers",
    128: "RGB colours",
    1024: "64-bit integers",
    1280: "64-bit integers",
    1536: "128-bit numbers",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "RGBA colours",
}
_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_DAMAGED = "The header is damaged or of another format; save the file again from the tool it came from."


@dataclass(frozen=True)
class HeaderFields:
    """The fields of a NIfTI-1 or NIfTI-2 header as they stand in the file, nothing repaired."""

    size: int
    big_endian: bool
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    datatype: int
    vox_offset: float
    slope: float
    intercept: float
    units: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, float, float]
    qoffset: tuple[float, float, float]
    srows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """A checked header: where the voxels are in the file and in the patient.

    Attributes:
        shape: spatial, in file order ``(i, j, k)``; one slice has k = 1.
        volumes: how many 3D volumes follow each other in the file.
        dtype: of the stored voxels, with their byte order.
        data_offset: bytes before the first voxel.
        scaling: ``(slope, intercept)``, or None when stored values are the values.
        affine: index ``(i, j, k)`` to RAS+ mm.
        notices: what was accepted but is worth saying.
    """

    shape: tuple[int, int, int]
    volumes: int
    dtype: np.dtype[np.generic]
    data_offset: int
    scaling: tuple[float, float] | None
    affine: NDArray[np.float64]
    notices: tuple[Notice, ...]

    @property
    def volume_bytes(self) -> int:
        """Bytes of one 3D volume."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes that the plain file needs up to its last voxel."""
        return self.data_offset + self.volumes * self.volume_bytes


def check_header(fields: HeaderFields, *, labels: bool, assume_affine: bool) -> Layout:
    """Check every field that matters, before any voxel is read.

    Args:
        fields: of the header.
        labels: whether the file is a label map (64-bit integers are allowed there).
        assume_affine: take the voxel axes as right, anterior, superior with pixdim as spacing when, and only when,
            the file says nothing about its orientation.

    Raises:
        InvalidInput: ``dimensions_invalid``, ``unsupported_dtype``, ``spacing_invalid``, ``orientation_unknown``,
            ``orientation_invalid``, ``orientation_conflict`` or ``nifti_header_invalid``.
    """
    notices: list[Notice] = []
    shape, volumes = _shape(fields, notices)
    dtype = _dtype(fields, labels=labels)
    data_offset = _voxel_offset(fields)
    scaling = _scaling(fields, notices)
    pixdim = _pixdim(fields, notices)
    affine = _affine(fields, shape, pixdim, notices, assume_affine=assume_affine)
    _describe(affine, pixdim, notices)
    return Layout(
        shape=shape,
        volumes=volumes,
        dtype=dtype,
        data_offset=data_offset,
        scaling=scaling,
        affine=affine,
        notices=tuple(notices),
    )


def _shape(fields: HeaderFields, notices: list[Notice]) -> tuple[tuple[int, int, int], int]:
    count = fields.dim[0]
    if not 2 <= count <= 7:
        raise InvalidInput(
            ErrorCode.DIMENSIONS_INVALID,
            f"The header announces {count} dimensions; a volume has 3 (or 2, or 4).",
            hint=_DAMAGED,
        )
    sizes = fields.dim[1 : count + 1]
    if min(sizes) < 1:
        raise InvalidInput(
            ErrorCode.DIMENSIONS_INVALID,
            f"The header announces {' x '.join(map(str, sizes))} voxels; every size must be at least 1.",
            hint=_DAMAGED,
        )
    if math.prod(sizes[4:]) != 1:
        raise InvalidInput(
            ErrorCode.DIMENSIONS_INVALID,
            f"The file holds {math.prod(sizes[4:])} values per voxel; a volume has one.",
            hint="Save one component (or one echo, or one direction) as a file of its own.",
        )
    volumes = sizes[3] if count > 3 else 1
    if count > 3 and volumes == 1:
        notices.append(
            Notice(
                "squeezed",
                f"The file has {count} dimensions, all beyond the third of size 1; they are dropped.",
            )
        )
    i, j = sizes[:2]
    k = sizes[2] if count > 2 else 1
    if k == 1:
        notices.append(Notice("single_slice", "The file holds one slice; it is a volume of one slice."))
    return (i, j, k), volumes


def _dtype(fields: HeaderFields, *, labels: bool) -> np.dtype[np.generic]:
    known = _DTYPES | _LABEL_DTYPES if labels else _DTYPES
    kind = known.get(fields.datatype)
    if kind is None:
        found = _OTHER_DTYPES.get(fields.datatype, "a type that NIfTI does not know")
        raise InvalidInput(
            ErrorCode.UNSUPPORTED_DTYPE,
            f"The voxels are {found} (NIfTI datatype {fields.datatype}).",
            hint="Save the file with 8, 16 or 32-bit integers or with float32 or float64.",
        )
    return np.dtype((">" if fields.big_endian else "<") + kind)


def _voxel_offset(fields: HeaderFields) -> int:
    # After the header come at least the four bytes that say whether extensions follow.
    least = fields.size + 4
    offset = fields.vox_offset
    if not math.isfinite(offset) or offset != int(offset) or not least <= offset < 2**40:
        raise InvalidInput(
            ErrorCode.NIFTI_HEADER_INVALID,
            f"The header says that the voxels begin at byte {offset:g}; it must be {least} or more.",
            hint=_DAMAGED,
        )
    return int(offset)


def _scaling(fields: HeaderFields, notices: list[Notice]) -> tuple[float, float] | None:
    slope, intercept = fields.slope, fields.intercept
    if not math.isfinite(slope) or slope == 0 or not math.isfinite(intercept):
        notices.append(
            Notice(
                "scaling_ignored",
                f"The scaling of the values (slope {slope:g}, intercept {intercept:g}) means none; "
                "the stored values are taken as they are.",
            )
        )
        return None
    return None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)


def _pixdim(fields: HeaderFields, notices: list[Notice]) -> tuple[float, float, float]:
    """Voxel sizes in mm; a single 2D slice may leave its thickness open."""
    if fields.units & 7 not in _UNITS_MM:
        raise InvalidInput(
            ErrorCode.SPACING_INVALID,
            f"The header gives its lengths in an unknown unit ({fields.units & 7}).",
            hint=_DAMAGED,
        )
    sizes = list(fields.pixdim[1:4])
    if fields.dim[0] == 2 and not (math.isfinite(sizes[2]) and sizes[2] > 0):
        sizes[2] = 1.0 / _UNITS_MM[fields.units & 7]
        notices.append(Notice("thickness_unknown", "The slice does not say how thick it is; 1 mm is taken."))
    if any(not math.isfinite(size) or size == 0 for size in sizes):
        raise InvalidInput(
            ErrorCode.SPACING_INVALID,
            f"The header gives voxels of {' x '.join(f'{size:g}' for size in sizes)}; each size must be a number "
            "above 0.",
            hint="Spacing is never guessed: save the file again from the tool it came from.",
        )
    if min(sizes) < 0:
        if fields.qform_code > 0 or fields.sform_code <= 0:
            raise InvalidInput(
                ErrorCode.SPACING_INVALID,
                f"The header gives voxels of {' x '.join(f'{size:g}' for size in sizes)}; each size must be above 0.",
                hint="Spacing is never guessed: save the file again from the tool it came from.",
            )
        notices.append(Notice("spacing_negative", "The header has a negative voxel size; its sform is used."))
    x, y, z = (abs(size) * _UNITS_MM[fields.units & 7] for size in sizes)
    return x, y, z


def _affine(
    fields: HeaderFields,
    shape: tuple[int, int, int],
    pixdim: Sequence[float],
    notices: list[Notice],
    *,
    assume_affine: bool,
) -> NDArray[np.float64]:
    sform = _sform(fields) if fields.sform_code > 0 else None
    qform = _qform(fields, pixdim) if fields.qform_code > 0 else None
    unit = _UNITS_MM[fields.units & 7]
    if unit != 1.0:
        notices.append(
            Notice("units", f"The file's lengths are in units of {unit:g} mm; they were converted.")
        )
    if sform is not None and qform is not None:
        _compare_forms(sform, qform, shape, notices)
    if sform is not None:
        return sform
    if qform is not None:
        return qform
    if not assume_affine:
        raise InvalidInput(
            ErrorCode.ORIENTATION_UNKNOWN,
            "The file does not say how it lies in the patient (sform and qform codes are both 0).",
            hint="Where left is would be a guess. If you know that its axes run to the right, the front and the "
            "head, say so (--assume-affine).",
        )
    notices.append(
        Notice(
            "affine_assumed",
            "The file says nothing about its orientation; its axes were taken as right, anterior, superior, as told.",
        )
    )
    return np.diag([*pixdim, 1.0])


def _sform(fields: HeaderFields) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3] = np.array(fields.srows, dtype=np.float64) * _UNITS_MM[fields.units & 7]
    _check_form(affine, "sform")
    return affine


def _qform(fields: HeaderFields, pixdim: Sequence[float]) -> NDArray[np.float64]:
    """Rotation from the unit quaternion (a, b, c, d) of which b, c, d are stored: nifti1.h, method 2."""
    b, c, d = fields.quaternion
    squared = b * b + c * c + d * d
    # Rounding to float32 may lift the sum a little above 1; more is no rotation.
    if not squared <= 1.0 + 1e-4:
        raise InvalidInput(
            ErrorCode.ORIENTATION_INVALID,
            f"The quaternion of the qform ({b:g}, {c:g}, {d:g}) is no rotation.",
            hint="The file's orientation is damaged; save it again from the tool it came from.",
        )
    # So near a half turn, a is nothing but rounding: NIfTI's reference code takes it as 0 too.
    if squared > 1.0 - 1e-7:
        length = math.sqrt(squared)
        b, c, d, squared = b / length, c / length, d / length, 1.0
    a = math.sqrt(1.0 - squared)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handedness = -1.0 if fields.pixdim[0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * (pixdim[0], pixdim[1], pixdim[2] * handedness)
    affine[:3, 3] = np.array(fields.qoffset, dtype=np.float64) * _UNITS_MM[fields.units & 7]
    _check_form(affine, "qform")
    return affine


def _check_form(affine: NDArray[np.float64], name: str) -> None:
    try:
        check_affine(affine)
    except CrowdmaskError as error:
        raise InvalidInput(error.code, f"{name}: {error.message}", hint=error.hint) from None


def _compare_forms(
    sform: NDArray[np.float64], qform: NDArray[np.float64], shape: Sequence[int], notices: list[Notice]
) -> None:
    apart = float(np.linalg.norm(corners_of(sform, shape) - corners_of(qform, shape), axis=1).max())
    smallest = min(spacing_of(sform))
    if apart > CONFLICT_SPACINGS * smallest:
        raise InvalidInput(
            ErrorCode.ORIENTATION_CONFLICT,
            f"The file gives two orientations that disagree: a corner differs by {apart:.3g} mm between its sform "
            f"and its qform (voxels of {smallest:.3g} mm).",
            hint="Find out which one is right and save the file with that one only.",
        )
    if apart > CORNER_TOLERANCE * smallest:
        notices.append(
            Notice("forms_differ", f"The sform is used; the qform puts a corner {apart:.2g} mm away from it.")
        )


def _describe(affine: NDArray[np.float64], pixdim: Sequence[float], notices: list[Notice]) -> None:
    spacing = spacing_of(affine)
    directions = affine[:3, :3] / spacing
    # The second largest part of each axis: above 0.001 (0.06 degrees) it is not along a patient axis.
    if float(np.sort(np.abs(directions), axis=0)[:2].max()) > 1e-3:
        notices.append(
            Notice(
                "oblique", "The slices are tilted against the patient's axes; they are shown in voxel order."
            )
        )
    if is_sheared(affine):
        notices.append(
            Notice("sheared", "The axes are not at right angles; some tools will refuse the file.")
        )
    if any(abs(first - second) > 0.01 * first for first, second in zip(spacing, pixdim, strict=True)):
        notices.append(
            Notice(
                "spacing_differs",
                f"The header's voxel size ({' x '.join(f'{v:.4g}' for v in pixdim)} mm) is not that of its sform "
                f"({' x '.join(f'{v:.4g}' for v in spacing)} mm); the sform is used.",
            )
        )
