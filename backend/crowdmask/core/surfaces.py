"""How far the surfaces of two masks lie apart, in millimetres.

The surface of a mask is its voxels with a face on the outside, what an erosion by the six neighbours takes away; at the
edge of the grid the outside begins. Distances are between voxel centres, each to the nearest surface voxel of the
other mask. That is the definition of MONAI (``compute_hausdorff_distance``, ``compute_surface_dice``); tools that put the
surface between voxels and weigh it by area, as DeepMind's ``surface-distance`` does, give slightly other figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

TOLERANCE_MM = 2.0
_ROUNDING_MM = 1e-9  # of sums of squares of decimal spacings


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """From each surface voxel of one mask to the nearest of the other.

    Attributes:
        from_predicted, from_reference: float64 ``(n,)`` in mm; both empty unless both masks have a voxel.
        predicted, reference: the number of surface voxels of each mask.
    """

    from_predicted: NDArray[np.float64]
    from_reference: NDArray[np.float64]
    predicted: int
    reference: int

    def hausdorff(self, percentile: float = 95.0) -> float:
        """The larger of the two directed percentiles (linear interpolation), in mm; NaN unless both masks have a voxel."""
        if not (self.predicted and self.reference):
            return float("nan")
        return float(
            max(
                np.percentile(self.from_predicted, percentile), np.percentile(self.from_reference, percentile)
            )
        )

    def surface_dice(self, tolerance_mm: float = TOLERANCE_MM) -> float:
        """The share of both surfaces that lies within the tolerance of the other one (NSD), 0..1.

        0 when one mask is empty, NaN when both are.
        """
        total = self.predicted + self.reference
        if not total:
            return float("nan")
        near = sum(
            int(np.count_nonzero(distances <= tolerance_mm + _ROUNDING_MM))
            for distances in (self.from_predicted, self.from_reference)
        )
        return near / total


def surface_distances(predicted: Mask, reference: Mask, spacing: Spacing) -> SurfaceDistances:
    """Distances between the surfaces of two boolean masks ``(z, y, x)`` of one grid; ``spacing`` is (dx, dy, dz) in mm."""
    ours, theirs = surface_voxels(predicted), surface_voxels(reference)
    sampling = np.array(spacing[::-1], dtype=np.float64)
    if not (len(ours) and len(theirs)):
        none = np.zeros(0)
        return SurfaceDistances(none, none, len(ours), len(theirs))
    return SurfaceDistances(
        _nearest(ours, theirs, sampling), _nearest(theirs, ours, sampling), len(ours), len(theirs)
    )


def surface_voxels(mask: Mask) -> NDArray[np.int64]:
    """The indices ``(n, 3)`` = z, y, x of the surface of a boolean mask ``(z, y, x)``."""
    # Only the part that holds the mask: outside it there is nothing but background.
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return np.zeros((0, 3), dtype=np.int64)
    part = mask[found[0]]
    surface = part & ~ndimage.binary_erosion(part)
    corner = np.array([along.start for along in found[0]])
    indices: NDArray[np.int64] = np.argwhere(surface) + corner
    return indices


def _nearest(
    voxels: NDArray[np.int64], others: NDArray[np.int64], sampling: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The distance in mm from each voxel to the nearest of the others."""
    _, index = cKDTree(others * sampling).query(voxels * sampling)
    # Again from whole numbers: a distance of exactly the tolerance must not depend on where in the volume it is.
    apart: NDArray[np.float64] = np.sqrt((((voxels - others[index]) * sampling) ** 2).sum(axis=1))
    return apart
