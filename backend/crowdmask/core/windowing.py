"""From voxel values to the 256 greys of the screen: one function for the viewer and the segmenter."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput

#: A volume whose finite minimum is at most this holds air in Hounsfield units: it is a CT.
_CT_MINIMUM = -500.0


@dataclass(frozen=True)
class Window:
    """The values shown as black (``low``) and white (``high``).

    Raises:
        InvalidInput: ``window_invalid``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low) and low < high):
            raise InvalidInput(
                ErrorCode.WINDOW_INVALID,
                f"The window {low} to {high} is not usable.",
                hint="Give two numbers, the lower one first.",
            )

    def to_json(self) -> dict[str, float]:
        return {"low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read ``{"low": .., "high": ..}``.

        Raises:
            InvalidInput: ``window_invalid``.
        """
        return cls(low=_number(document.get("low")), high=_number(document.get("high")))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        raise InvalidInput(
            ErrorCode.WINDOW_INVALID, f"A window is two numbers, low and high; got {str(value)[:40]!r}."
        )
    return float(value)


CT_ABDOMEN = Window(low=-160.0, high=240.0)


def is_ct(finite_minimum: float) -> bool:
    """Whether a volume with this finite minimum holds Hounsfield units: only a CT shows air far below zero."""
    return finite_minimum <= _CT_MINIMUM


def default_window(*, finite_minimum: float, percentile_low: float, percentile_high: float) -> Window:
    """The window when nobody chose one: soft tissue for a CT, else the 0.5 and 99.5 percentiles.

    A constant volume has equal percentiles; its window is widened so that it is one (and shows mid grey).
    """
    if is_ct(finite_minimum):
        return CT_ABDOMEN
    if percentile_low < percentile_high:
        return Window(low=percentile_low, high=percentile_high)
    margin = max(0.5, abs(percentile_low) * 1e-6)
    return Window(low=percentile_low - margin, high=percentile_low + margin)


def apply_window(values: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Greys of ``values`` (any shape, any real dtype): uint8 of the same shape.

    Linear between the ends, clipped, halves rounded up (so that a browser's lookup table agrees exactly);
    what is not finite becomes 0.
    """
    shares = (np.asarray(values, dtype=np.float64) - window.low) / (window.high - window.low)
    shares = np.where(np.isfinite(shares), shares, 0.0)
    return np.floor(np.clip(shares, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
