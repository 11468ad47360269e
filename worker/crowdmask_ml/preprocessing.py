"""From a slice to a network's square input, and from its logits back: one place, used by every runtime.

The three rules are those of the official code of the models: LiteMedSAM (resize the longest side by area, then
min-max, then zeros to the right and below), SAM (resize the longest side, antialiased bilinear, channel mean and
standard deviation, zeros) and MedSAM (stretch to the square, cubic, then min-max).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crowdmask_ml.resampling import Matrix, area_matrix, cubic_matrix, linear_matrix

# Channel statistics of ImageNet in 0..255, as SAM was trained with.
_SAM_MEAN = (123.675, 116.28, 103.53)
_SAM_DEVIATION = (58.395, 57.12, 57.375)
# The logit of voxels for which none was computed: surely not in the mask, and far from overflow in any arithmetic.
OUTSIDE = np.float32(-20)


class Preprocessing(StrEnum):
    """Named in every mask's provenance and in the key of every stored embedding."""

    LITEMEDSAM = "longest-side-area-minmax"
    SAM = "longest-side-linear-imagenet"
    MEDSAM = "stretch-cubic-minmax"


@dataclass(frozen=True)
class InputFrame:
    """How slices of one size lie in the square input of a network.

    Attributes:
        size: (rows, columns) of the slice, in voxels.
        input_size: edge of the square, in pixels.
        rule: which preprocessing.
    """

    size: tuple[int, int]
    input_size: int
    rule: Preprocessing

    @property
    def covered(self) -> tuple[int, int]:
        """(rows, columns) of the square that the slice covers, from the upper left corner; the rest is padding."""
        if self.rule is Preprocessing.MEDSAM:
            return (self.input_size, self.input_size)
        longest = max(self.size)
        rows, columns = (max(1, int(n * self.input_size / longest + 0.5)) for n in self.size)
        return (rows, columns)

    def prepare(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Slices uint8 ``(n, y, x)`` to the network's input, float32 ``(n, 3, input_size, input_size)``."""
        (rows, columns), (to_rows, to_columns) = self.size, self.covered
        down, across = self._matrix(rows, to_rows), self._matrix(columns, to_columns)
        values = down @ images.astype(np.float64) @ across.T
        if self.rule is Preprocessing.SAM:
            channels = np.stack(
                [(values - mean) / sd for mean, sd in zip(_SAM_MEAN, _SAM_DEVIATION, strict=True)], axis=1
            )
        else:
            low = values.min(axis=(1, 2), keepdims=True)
            high = values.max(axis=(1, 2), keepdims=True)
            # A constant slice (air above the patient) becomes zeros instead of a division by zero.
            values = (values - low) / np.maximum(high - low, 1e-8)
            channels = np.repeat(values[:, np.newaxis], 3, axis=1)
        prepared = np.zeros((len(images), 3, self.input_size, self.input_size), dtype=np.float32)
        prepared[:, :, :to_rows, :to_columns] = channels
        return prepared

    def prompts(self, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Boxes ``(k, 4)`` in half-open voxel edges to box prompts float32 ``(k, 4)`` in pixels of the square.

        A prompt of SAM names the first and the last pixel inside, as masks gave them in training, and a pixel's
        coordinate means its centre (the prompt encoder adds the half). So each edge moves half a voxel inwards, to
        the centre of its outermost voxel, and is scaled from there; a box under one voxel shrinks to its centre.
        """
        (rows, columns), (to_rows, to_columns) = self.size, self.covered
        first, last = boxes[:, :2], boxes[:, 2:]
        inset = np.minimum(0.5, (last - first) / 2)
        scale = np.array([to_columns / columns, to_rows / rows])
        prompts = np.concatenate([(first + inset) * scale, (last - inset) * scale], axis=1) - 0.5
        return prompts.astype(np.float32)

    def logits_on_slice(self, low: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of the square ``(k, n, n)``, n <= input_size, to the slice's own grid ``(k, y, x)``.

        Bilinear to the square, the padding cut off, bilinear to the slice, as ``segment_anything`` does; the two
        steps are one matrix for each axis.
        """
        down, across = _back_to_slice(self, low.shape[-1])
        return np.asarray(down @ low @ across.T, dtype=np.float32)

    def region_on_slice(
        self, low: NDArray[np.float32], first_row: int, first_column: int, n: int, *, out: NDArray[np.float32]
    ) -> None:
        """The same for logits of a part of the square only: its first row and column on the grid of ``n`` x ``n``.

        Voxels that depend on nothing beyond the part get the value that `logits_on_slice` gives them, all others
        `OUTSIDE`.

        Args:
            low: float32 ``(rows, columns)``.
            first_row: of the part.
            first_column: of the part.
            n: edge of the grid.
            out: float32 ``(y, x)``, the slice's own grid.
        """
        down, across = _back_to_slice(self, n)
        y, part_down = _inside(down, first_row, low.shape[0])
        x, part_across = _inside(across, first_column, low.shape[1])
        out.fill(OUTSIDE)
        out[y, x] = part_down @ low @ part_across.T

    def _matrix(self, n_in: int, n_out: int) -> Matrix:
        match self.rule:
            case Preprocessing.LITEMEDSAM:
                return area_matrix(n_in, n_out)
            case Preprocessing.SAM:
                return linear_matrix(n_in, n_out)
            case Preprocessing.MEDSAM:
                return cubic_matrix(n_in, n_out)


@lru_cache(maxsize=16)
def _back_to_slice(frame: InputFrame, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices ``(rows, n)`` and ``(columns, n)`` from logits of the square to the slice, for each axis."""
    (rows, columns), (to_rows, to_columns) = frame.size, frame.covered
    to_square = linear_matrix(n, frame.input_size, antialias=False)
    down = linear_matrix(to_rows, rows, antialias=False) @ to_square[:to_rows]
    across = linear_matrix(to_columns, columns, antialias=False) @ to_square[:to_columns]
    return down.astype(np.float32), across.astype(np.float32)


def _inside(matrix: NDArray[np.float32], first: int, length: int) -> tuple[slice, NDArray[np.float32]]:
    """The rows that depend on the columns from ``first`` on only (they are neighbours), and their part of the matrix."""
    within = matrix[:, first : first + length]
    # Rows sum to 1 and nothing in them is negative.
    (rows,) = np.nonzero(within.sum(axis=1) > 1 - 1e-5)
    if not rows.size:
        return slice(0, 0), within[:0]
    chosen = slice(int(rows[0]), int(rows[-1]) + 1)
    return chosen, within[chosen]
