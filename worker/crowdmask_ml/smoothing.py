"""What completion added, held against the slices beside it: logits smoothed over z, and small pieces dropped.

Both write on slices that completion added alone; a slice that people boxed keeps its mask. What each is worth was
measured: docs/completion.md.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask_ml.reading import SlicePrediction

LabelsOnSlice = Mapping[int, SlicePrediction]
"""What the model predicts on one slice, by label."""

# Beyond three standard deviations a Gaussian weighs nothing.
_REACH_SIGMAS = 3
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def smoothed(
    slices: Iterable[tuple[int, LabelsOnSlice]], added: Callable[[int, int], bool], *, sigma: float
) -> Iterator[tuple[int, LabelsOnSlice]]:
    """The same slices, the logits of those that were added as their mean over z with the weights of a Gaussian.

    Only slices on which the label has a prediction count; one without says nothing about where the label ends. The
    mean is of the logits as the model gave them. Holds the slices within three sigma, not all.

    Args:
        slices: z and predictions, in ascending order.
        added: whether completion added a label on a slice, by z and label.
        sigma: standard deviation in slices; 0: nothing changes.
    """
    reach = math.ceil(_REACH_SIGMAS * sigma)
    held: dict[int, LabelsOnSlice] = {}
    due: deque[int] = deque()

    def finished() -> tuple[int, LabelsOnSlice]:
        z = due.popleft()
        made = (
            z,
            {
                label: _mean(held, z, label, sigma, reach) if reach and added(z, label) else prediction
                for label, prediction in held[z].items()
            },
        )
        for past in [other for other in held if other < (due[0] if due else z + 1) - reach]:
            del held[past]
        return made

    for z, on_slice in slices:
        while due and due[0] + reach < z:
            yield finished()
        held[z] = on_slice
        due.append(z)
        while due and due[0] + reach <= z:
            yield finished()
    while due:
        yield finished()


def _mean(held: Mapping[int, LabelsOnSlice], z: int, label: int, sigma: float, reach: int) -> SlicePrediction:
    near = [other for other in held if abs(other - z) <= reach and label in held[other]]
    weights = [math.exp(-0.5 * ((other - z) / sigma) ** 2) for other in near]
    logits = sum(
        (np.float32(weight / sum(weights)) * held[other][label].logits)
        for other, weight in zip(near, weights, strict=True)
    )
    return SlicePrediction(np.asarray(logits, np.float32), held[z][label].predicted_iou)


def drop_small_pieces(
    mask: NDArray[np.uint8], added: Mapping[int, Sequence[int]], *, smallest: float
) -> None:
    """Set to 0, in place, what is small in what completion added.

    Each run of consecutive slices that were added to a label is looked at alone, an end as well as a hole: of its
    pieces (voxels that touch, also at a corner) those under a share of its largest are dropped.

    Args:
        mask: ``(z, y, x)``, the label's integer, 0 = no mask.
        added: by label, the slices that completion added, ascending.
        smallest: the share, 0..1; 0 drops nothing.
    """
    if not smallest:
        return
    for label, slices in added.items():
        for first, last in _runs(slices):
            run = mask[first : last + 1]
            numbered, _ = ndimage.label(run == label, _TOUCHING)
            sizes = np.bincount(numbered.ravel())
            sizes[0] = 0
            small = sizes < smallest * sizes.max()
            small[0] = False
            run[small[numbered]] = 0


def _runs(slices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    breaks = [i for i, (one, other) in enumerate(pairwise(slices), 1) if other != one + 1]
    for start, stop in pairwise([0, *breaks, len(slices)]):
        if stop > start:
            yield slices[start], slices[stop - 1]
