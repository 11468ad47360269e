"""Resampling as matrices: ``out = rows @ image @ columns.T``. The same code before and after every runtime.

Each function returns float64 ``(n_out, n_in)``; every row sums to 1. Pixel ``i`` spans the edges ``i`` to ``i + 1``
and both images span the same length, which is what PIL, OpenCV and torch (``align_corners=False``) do.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Matrix = NDArray[np.float64]


@lru_cache(maxsize=64)
def linear_matrix(n_in: int, n_out: int, *, antialias: bool = True) -> Matrix:
    """Triangle filter. With ``antialias`` it widens when it shrinks (PIL's and torch's antialiased bilinear)."""
    scale = n_in / n_out
    reach = max(scale, 1.0) if antialias else 1.0
    centres_out = (np.arange(n_out) + 0.5) * scale
    # Beyond the outermost pixel centres there is nothing to interpolate between: the edge pixel holds.
    centres_out = np.clip(centres_out, 0.5, n_in - 0.5) if reach == 1.0 else centres_out
    distance = np.abs(np.arange(n_in) + 0.5 - centres_out[:, np.newaxis]) / reach
    return _rows_to_one(np.maximum(0.0, 1.0 - distance))


@lru_cache(maxsize=64)
def area_matrix(n_in: int, n_out: int) -> Matrix:
    """Mean over the part of the source that each output pixel covers (OpenCV's INTER_AREA, both ways)."""
    edges = np.arange(n_out + 1) * (n_in / n_out)
    first, last = edges[:-1, np.newaxis], edges[1:, np.newaxis]
    pixel = np.arange(n_in)
    return _rows_to_one(np.maximum(0.0, np.minimum(last, pixel + 1) - np.maximum(first, pixel)))


@lru_cache(maxsize=64)
def cubic_matrix(n_in: int, n_out: int) -> Matrix:
    """Cubic B-spline interpolation with mirrored ends; the antialiased triangle when it shrinks.

    Spline interpolation is linear in the values, so its matrix is what it makes of the unit vectors.
    """
    if n_out <= n_in or n_in < 4:
        return linear_matrix(n_in, n_out)
    zoomed = ndimage.zoom(np.eye(n_in), (n_out / n_in, 1), order=3, mode="mirror", grid_mode=True)
    return _rows_to_one(np.asarray(zoomed, dtype=np.float64))


def _rows_to_one(weights: Matrix) -> Matrix:
    matrix: Matrix = weights / weights.sum(axis=1, keepdims=True)
    matrix.setflags(write=False)
    return matrix
