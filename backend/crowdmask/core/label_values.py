"""Turning what a label map file stores into integers, or saying which values are in the way (fault 18, docs/faults.md)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.notices import Notice

#: Background and at most 255 labels.
MAXIMUM_VALUES = 256

#: How far from a whole number a value may be: scaled and resaved files give 1.0000000354.
_ROUNDING = 1e-3
_SHOWN = 20

#: An image that holds no more different values than this, the background with them, may be a label map by mistake.
_SUSPICIOUSLY_FEW = 30
_HIGHEST_LABEL = 255
_INT32_MAXIMUM = np.iinfo(np.int32).max


def distinct_values(labels: NDArray[Any]) -> tuple[int, ...]:
    """The different values of an integer array (no value below 0), ascending."""
    found: set[int] = set()
    for plane in labels:
        found.update(_distinct(plane))
    return tuple(sorted(found))


def integer_labels(
    raw: NDArray[Any], scaling: tuple[float, float] | None, notices: list[Notice]
) -> NDArray[Any]:
    """The labels of stored values, in the same axes: uint8, or int32 when one is above 255.

    Args:
        raw: 3D, any real dtype and byte order.
        scaling: ``(slope, intercept)`` of the file, or None.
        notices: gets one more when values had to be rounded.

    Raises:
        InvalidInput: ``label_values_invalid`` with the list of values.
    """
    labels: NDArray[Any] = np.empty(raw.shape, dtype=np.uint8, order="F")
    values: set[int] = set()
    wrong: set[float] = set()
    rounded = False
    for k in range(raw.shape[2]):
        plane = raw[:, :, k]
        if scaling is not None or raw.dtype.kind == "f":
            slope, intercept = scaling or (1.0, 0.0)
            exact = plane.astype(np.float64) * slope + intercept
            plane = np.rint(exact)
            rounded = rounded or not np.array_equal(plane, exact)
            # Not a number, and infinite less infinite, fit nowhere.
            with np.errstate(invalid="ignore"):
                fits = np.abs(plane - exact) <= _ROUNDING
        else:
            exact = plane
            fits = np.ones(plane.shape, dtype=bool)
        fits &= (plane >= 0) & (plane <= _INT32_MAXIMUM)
        if not fits.all():
            wrong.update(np.unique(exact[~fits]).tolist())
            if len(wrong) > MAXIMUM_VALUES:
                break
            continue
        if plane.max() > 255 and labels.dtype == np.uint8:
            labels = labels.astype(np.int32)
        labels[:, :, k] = plane
        values.update(_distinct(labels[:, :, k]))
    if wrong:
        raise _refuse(wrong, "are not whole numbers from 0 to 2147483647")
    if len(values) > MAXIMUM_VALUES:
        raise _refuse(values, f"are more than {MAXIMUM_VALUES} different ones")
    if rounded:
        notices.append(
            Notice("labels_rounded", "The labels were whole numbers but for rounding; they were rounded.")
        )
    return labels


def label_map_notice(voxels: NDArray[Any]) -> Notice | None:
    """What to say of an image that looks like a label map: from 2 to 30 different values, all of them whole numbers from 0 to
    255, of which 0 is the most frequent one. None of other images: even 8-bit ones hold more different values.

    Args:
        voxels: of an image, any real dtype, native byte order.
    """
    counts = np.zeros(_HIGHEST_LABEL + 1, dtype=np.int64)
    for plane in voxels:
        if voxels.dtype.kind == "f":
            whole = np.rint(plane)
            # Not a number, and infinite less infinite, are no labels.
            with np.errstate(invalid="ignore"):
                if not (np.abs(whole - plane) <= _ROUNDING).all():
                    return None
        else:
            whole = plane
        if whole.min() < 0 or whole.max() > _HIGHEST_LABEL:
            return None
        counts += np.bincount(whole.reshape(-1).astype(np.uint8), minlength=counts.size)
        if np.count_nonzero(counts) > _SUSPICIOUSLY_FEW:
            return None
    different = int(np.count_nonzero(counts))
    if different < 2 or counts.argmax() != 0:
        return None
    return Notice(
        "looks_like_labels",
        f"It looks like a label map: {different} different values, whole numbers from 0 to "
        f"{int(np.flatnonzero(counts)[-1])}, mostly 0. Did you mean to add it as a reference? Then delete "
        "this scan, and add the file to the scan that it belongs to.",
    )


def _distinct(plane: NDArray[Any]) -> list[int]:
    # Counting is many times faster than sorting, as long as the counts stay small.
    few = plane.max() < 2**16
    values = np.flatnonzero(np.bincount(plane.reshape(-1))) if few else np.unique(plane)
    return [int(value) for value in values]


def _refuse(values: set[float] | set[int], why: str) -> InvalidInput:
    # NaN has no order and is never equal to itself: it is named once, at the end.
    different: list[float] = sorted(value for value in values if value == value)
    nan = len(different) < len(values)
    shown = [f"{value:.10g}" for value in different[:_SHOWN]] + (["nan"] if nan else [])
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return InvalidInput(
        ErrorCode.LABEL_VALUES_INVALID,
        f"A label map holds whole numbers, at most {MAXIMUM_VALUES} different ones with the background; "
        f"these values {why}: {', '.join(shown)}{more}.",
        hint="Send the label map itself, not an image, a probability map or a resampled one.",
    )
