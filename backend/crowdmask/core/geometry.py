"""Box maths. The only place that knows what a box's numbers mean.

A box is a half-open rectangle ``x0, y0, x1, y1`` in voxel *edges* of one slice: voxel ``i`` spans the edges
``i`` to ``i + 1``, so a box around the single voxel (3, 5) is ``3, 5, 4, 6``. ``x`` counts columns (to the
patient's left), ``y`` rows (to the back), both on the canonical grid.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from crowdmask.core.errors import ErrorCode, InvalidInput


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A half-open rectangle in voxel edges. Cannot be empty, reversed or non-finite.

    Drawn boxes lie on whole voxels; interpolated ones are fractional.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        values = (self.x0, self.y0, self.x1, self.y1)
        if not all(math.isfinite(value) for value in values):
            raise InvalidInput(ErrorCode.BOX_INVALID, f"The box {values} has an edge that is not a number.")
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise InvalidInput(
                ErrorCode.BOX_INVALID,
                f"The box {values} is empty: it needs x0 < x1 and y0 < y1.",
                hint="Draw a box of at least one voxel.",
            )

    @classmethod
    def from_values(cls, values: Iterable[float]) -> Self:
        """Build from four numbers x0, y0, x1, y1.

        Raises:
            InvalidInput: ``box_invalid`` when there are not four numbers or they are no box.
        """
        given = tuple(values)
        if len(given) != 4 or any(isinstance(v, bool) or not isinstance(v, int | float) for v in given):
            raise InvalidInput(
                ErrorCode.BOX_INVALID, f"A box is four numbers x0, y0, x1, y1; got {str(given)[:80]}."
            )
        try:
            return cls(*(float(value) for value in given))
        except OverflowError:
            raise InvalidInput(
                ErrorCode.BOX_INVALID, f"The box {str(given)[:80]} has an edge that is too large."
            ) from None

    @property
    def values(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """In voxels."""
        return self.width * self.height

    def check_inside(self, size: tuple[int, int]) -> None:
        """Refuse a box that leaves a slice of ``size`` = (rows, columns).

        Raises:
            InvalidInput: ``box_invalid``.
        """
        rows, columns = size
        if self.x0 < 0 or self.y0 < 0 or self.x1 > columns or self.y1 > rows:
            raise InvalidInput(
                ErrorCode.BOX_INVALID,
                f"The box {self.values} leaves the slice of {columns} x {rows} voxels.",
                hint=f"Keep x between 0 and {columns} and y between 0 and {rows}.",
            )

    def iou(self, other: "Box") -> float:
        """Intersection over union of the areas, 0..1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


def interpolate(start: Box, end: Box, share: float) -> Box:
    """The box ``share`` of the way (0..1) from ``start`` to ``end``: linear in the four edges, not rounded."""
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(start.values, end.values, strict=True))
    return Box(x0, y0, x1, y1)
