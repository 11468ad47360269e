"""The canonical grid: how voxels lie in the patient, and how they reach the screen.

Arrays are ``(z, y, x)``, C-contiguous, in canonical LPS: x rises to the patient's Left, y to the back
(Posterior), z to the head (Superior). LPS names the directions of the axes only: every affine maps the index
``(x, y, z)`` of a voxel *centre* to RAS+ millimetres, as NIfTI and nibabel do. See docs/architecture.md, "Geometry contract".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput

Element = TypeVar("Element", bound=np.generic)

#: Two grids are the same when every corner agrees within this share of the smallest spacing.
CORNER_TOLERANCE = 0.1

#: Axes whose cosine is above this (0.06 degrees off the right angle) count as sheared.
SHEAR_TOLERANCE = 1e-3

#: Below this share of a box's volume, three axes are taken as lying in one plane.
_SMALLEST_DETERMINANT = 1e-6


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a canonical volume lie. Compare with ``matches``: affines differ by rounding.

    Attributes:
        shape: ``(nz, ny, nx)`` voxels.
        affine: float64 ``(4, 4)``, read-only; index ``(x, y, z)`` of a voxel centre to RAS+ mm.

    Raises:
        InvalidInput: ``dimensions_invalid`` or ``orientation_invalid``.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(size) for size in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise InvalidInput(
                ErrorCode.DIMENSIONS_INVALID, f"A volume has three sizes of at least 1; got {shape}."
            )
        affine = np.array(self.affine, dtype=np.float64)
        check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """``(dx, dy, dz)``: mm between voxel centres."""
        dx, dy, dz = spacing_of(self.affine)
        return dx, dy, dz

    @property
    def size(self) -> tuple[int, int]:
        """``(ny, nx)`` of one slice."""
        return self.shape[1], self.shape[2]

    def corners(self) -> NDArray[np.float64]:
        """``(8, 3)`` mm: the outer corners of the volume, at voxel edges (so that one slice has a thickness)."""
        nz, ny, nx = self.shape
        return corners_of(self.affine, (nx, ny, nz))

    def matches(self, other: "Grid") -> bool:
        """Same shape, and all eight corners within a tenth of the smallest spacing (the geometry contract)."""
        return self.shape == other.shape and self.corner_distance(other) <= CORNER_TOLERANCE * min(
            *self.spacing, *other.spacing
        )

    def corner_distance(self, other: "Grid") -> float:
        """The largest distance in mm between corners of the two grids."""
        return float(np.linalg.norm(self.corners() - other.corners(), axis=1).max())

    def to_json(self) -> dict[str, Any]:
        """``{"shape": [nz, ny, nx], "affine": [[...], ...]}``; reading it back gives the same bits."""
        return {"shape": list(self.shape), "affine": self.affine.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            InvalidInput: ``dimensions_invalid`` or ``orientation_invalid``.
        """
        shape = document.get("shape")
        if not isinstance(shape, list) or any(type(size) is not int for size in shape):
            raise InvalidInput(
                ErrorCode.DIMENSIONS_INVALID,
                f"The shape must be a list of three whole numbers; got {str(shape)[:80]}.",
            )
        try:
            affine = np.array(document.get("affine"), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InvalidInput(
                ErrorCode.ORIENTATION_INVALID, "The affine must be four rows of four numbers."
            ) from None
        return cls(shape=tuple(shape), affine=affine)

    def __str__(self) -> str:
        nz, ny, nx = self.shape
        dx, dy, dz = self.spacing
        x, y, z = self.affine[:3, 3]
        return (
            f"{nx} x {ny} x {nz} voxels of {dx:.4g} x {dy:.4g} x {dz:.4g} mm at ({x:.2f}, {y:.2f}, {z:.2f})"
        )


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """mm between voxel centres along each index axis of a 4x4 affine."""
    x, y, z = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return x, y, z


def is_sheared(affine: NDArray[np.float64], tolerance: float = SHEAR_TOLERANCE) -> bool:
    """Whether two index axes of a 4x4 affine are further from a right angle than rounding explains.

    Args:
        affine: of any grid.
        tolerance: the largest cosine between two axes that still counts as a right angle.
    """
    directions = affine[:3, :3] / spacing_of(affine)
    return bool(np.abs(directions.T @ directions - np.eye(3)).max() > tolerance)


def corners_of(affine: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """``(8, 3)`` mm: outer corners (voxel edges) of an array whose index axes are those of ``affine``."""
    ends = [(-0.5, size - 0.5) for size in shape]
    indices = np.array([(x, y, z) for z in ends[2] for y in ends[1] for x in ends[0]])
    return np.asarray(indices @ affine[:3, :3].T + affine[:3, 3])


def check_affine(affine: NDArray[np.float64]) -> None:
    """Refuse what cannot place voxels: not 4x4, not finite, a wrong last row, or axes in one plane.

    Raises:
        InvalidInput: ``orientation_invalid``.
    """
    hint = "The file's orientation is damaged; save it again from the tool it came from."
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InvalidInput(
            ErrorCode.ORIENTATION_INVALID,
            "The orientation (affine) is not four rows of four finite numbers.",
            hint=hint,
        )
    if not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InvalidInput(
            ErrorCode.ORIENTATION_INVALID,
            f"The last row of the affine must be 0 0 0 1; it is {' '.join(f'{v:g}' for v in affine[3])}.",
            hint=hint,
        )
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    product = float(np.prod(lengths))
    if product == 0 or not math.isfinite(product):
        raise InvalidInput(
            ErrorCode.ORIENTATION_INVALID,
            f"The affine gives voxels of {lengths[0]:g} x {lengths[1]:g} x {lengths[2]:g} mm.",
            hint=hint,
        )
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < _SMALLEST_DETERMINANT:
        raise InvalidInput(
            ErrorCode.ORIENTATION_INVALID,
            "The affine is singular: its three axes lie in one plane.",
            hint=hint,
        )


@dataclass(frozen=True)
class Orientation:
    """How the axes of a file become canonical LPS: a permutation and flips, nothing else, so it is lossless.

    Attributes:
        axes: for canonical x, y, z the number of the file's axis (0, 1, 2, in file order) that becomes it.
        flips: for canonical x, y, z whether the file counts that axis the other way.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def __post_init__(self) -> None:
        if sorted(self.axes) != [0, 1, 2] or len(self.flips) != 3:
            raise InvalidInput(
                ErrorCode.ORIENTATION_INVALID, f"Axes {self.axes} with flips {self.flips} are no orientation."
            )

    def to_canonical(self, file_order: NDArray[Element]) -> NDArray[Element]:
        """From the file's ``(i, j, k)`` to canonical ``(z, y, x)``, C-contiguous; no copy when none is needed."""
        moved = file_order.transpose(self.axes)[self._steps()]
        return np.ascontiguousarray(moved.transpose(2, 1, 0))

    def from_canonical(self, canonical: NDArray[Element]) -> NDArray[Element]:
        """The inverse of ``to_canonical``: a view in file order ``(i, j, k)``."""
        moved = canonical.transpose(2, 1, 0)[self._steps()]
        return moved.transpose(*(self.axes.index(axis) for axis in range(3)))

    def canonical_shape(self, file_shape: Sequence[int]) -> tuple[int, int, int]:
        """``(nz, ny, nx)`` of a file of shape ``(i, j, k)``."""
        x, y, z = (int(file_shape[axis]) for axis in self.axes)
        return z, y, x

    def canonical_grid(self, affine: NDArray[np.float64], file_shape: Sequence[int]) -> Grid:
        """The canonical grid of a file with that affine (index ``(i, j, k)`` to RAS+ mm) and shape."""
        # Canonical index (x, y, z) to the file's index (i, j, k).
        to_file = np.zeros((4, 4))
        to_file[3, 3] = 1
        for canonical_axis, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            to_file[axis, canonical_axis] = -1 if flip else 1
            to_file[axis, 3] = file_shape[axis] - 1 if flip else 0
        return Grid(shape=self.canonical_shape(file_shape), affine=affine @ to_file)

    def _steps(self) -> tuple[slice, slice, slice]:
        x, y, z = (slice(None, None, -1) if flip else slice(None) for flip in self.flips)
        return x, y, z


def display_slice(voxels: NDArray[Element], z: int) -> NDArray[Element]:
    """Slice ``z`` of a canonical ``(z, y, x)`` array as it is on the screen: rows to the back, columns to the left.

    In LPS this is the radiological view as it stands (anterior up, the patient's right at the left edge), so
    viewer, segmenter and preview all ask here and see the same.

    Raises:
        InvalidInput: ``slice_out_of_range``.
    """
    if not 0 <= z < voxels.shape[0]:
        raise InvalidInput(
            ErrorCode.SLICE_OUT_OF_RANGE,
            f"There is no slice {z}: the volume has the slices 0 to {voxels.shape[0] - 1}.",
        )
    image: NDArray[Element] = voxels[z]
    return image


def from_display(image: NDArray[Element]) -> NDArray[Element]:
    """The inverse of ``display_slice``: an image ``(rows, columns)`` as the canonical slice ``(y, x)``."""
    return image


def check_same_grid(
    image: Grid,
    label: Grid,
    *,
    image_name: str,
    label_name: str,
    hint: str = "Resample the label map onto the image in the tool it came from, with nearest neighbour.",
) -> None:
    """Refuse a label map, or what else was made on a grid, that does not lie on the image's; nothing is ever resampled unasked.

    Both are canonical, so files whose axes are only flipped or permuted match. ``hint`` is what the refusal says to do.

    Raises:
        Conflict: ``grid_mismatch``, naming both.
    """
    if image.matches(label):
        return
    apart = ""
    if image.shape == label.shape:
        apart = f" Their corners lie up to {image.corner_distance(label):.3g} mm apart."
    raise Conflict(
        ErrorCode.GRID_MISMATCH,
        f"{label_name} ({label}) does not lie on the grid of {image_name} ({image}).{apart}",
        hint=hint,
    )


def check_slice_axis(axis: str) -> None:
    """At first only axial slices are accepted.

    Raises:
        InvalidInput: ``slice_axis_unsupported``.
    """
    if axis != "z":
        raise InvalidInput(
            ErrorCode.SLICE_AXIS_UNSUPPORTED,
            f"The slice axis {str(axis)[:20]!r} is not supported.",
            hint='Use "z", the slices across the superior-inferior axis.',
        )
