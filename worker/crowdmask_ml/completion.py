"""Following a label beyond the ends of its boxes, slice by slice: a box from the mask before, a mask from the box.

What matters is where it stops: going on where the label has ended adds voxels that are wrong. So three things are held
against what the slices with boxes nearby show: the values in the mask (the tissue has to go on), the edges of the boxes
(a label that tapers off is not let grow again) and the shape of the mask before. What each is worth was measured:
docs/completion.md.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask.core.completion import OpenEnd, filled, open_ends
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.tracks import AnnotationDocument, BoxOnSlice, boxes_by_slice
from crowdmask_ml.reading import SlicePrediction

Mask = NDArray[np.bool_]

# Two parts of a mask that come this close, in voxels, are one piece: as the boxes of the paper's rule.
_JOINED_WITHIN = 2
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
# Below this many voxels the inside of a mask, without its rim, says too little.
_SMALLEST_INSIDE = 10


class SliceModel(Protocol):
    """What propagation asks of a volume; ``reading.SliceReader`` is one."""

    def predict(self, z: int, boxes: Sequence[Box]) -> SlicePrediction: ...
    def values(self, z: int) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class CompletionParameters:
    """What completion goes by; the same for every organ and modality.

    Attributes:
        reach: how many slices it goes at most beyond an end, as a share of the slices with a box (drawn or filled),
            rounded up. 15 % missing at both ends are 21 % of the rest at each.
        smallest_persistence: share of the mask's voxels that have to be of the label's tissue, relative to the share
            on the slices with boxes. Half: below it most of the mask is something else; 0.5 to 0.65 do equally well.
        tissue_width: how many robust standard deviations from the label's median value count as its tissue. 2.5
            holds 99 % of normally distributed values.
        neighbours: how many of the nearest slices with boxes say what the label's tissue is, how much room its boxes
            leave around the mask and where their edges run. Enough for a stable median, few enough to follow a bend.
        smallest_overlap: Dice of the new mask and the one before; below it, it is another structure.
        smallest_growth, largest_growth: the new mask's area as a multiple of the one before: labels taper off faster
            than they widen.
        smallest_component: pieces under this share of a mask are dropped before boxes are made of it.
        smoothing: standard deviation, in slices, of a Gaussian over z on the logits of the slices that were added; 0
            is none. 0.7: the errors of single boxes, the slice's own and its neighbours', even out. More gains over
            long holes what it loses at ends, where neighbours are on one side and larger.
        smallest_piece: in what was added, pieces in 3D under this share of the largest one of the same run of slices
            are dropped; 0 drops none, as that gained nothing: crumbs do not get boxes, so hardly any are left.
    """

    reach: float = 0.25
    smallest_persistence: float = 0.5
    tissue_width: float = 2.5
    neighbours: int = 8
    smallest_overlap: float = 0.6
    smallest_growth: float = 0.45
    largest_growth: float = 1.35
    smallest_component: float = 0.10
    smoothing: float = 0.7
    smallest_piece: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a label looks and is boxed near one of its ends.

    Attributes:
        lowest, highest: the range of its tissue's values, in the volume's unit.
        usual: share of its voxels whose value lies in that range.
        margin: voxels that its boxes leave around its masks.
        edges: offset and slope of the lines along which the four edges of its boxes run: x0, y0, x1, y1 in voxels
            at slice z = offset + slope * z.
    """

    lowest: float
    highest: float
    usual: float
    margin: float
    edges: tuple[tuple[float, float], ...]

    def is_tissue(self, values: NDArray[np.float32]) -> Mask:
        return (values >= self.lowest) & (values <= self.highest)

    def box(self, z: int, piece: Box, size: tuple[int, ...]) -> Box | None:
        """Around a piece with the usual margin, inside the slice and inside the lines of the edges."""
        x0, y0, x1, y1 = (offset + slope * z for offset, slope in self.edges)
        rows, columns = size
        left, top = max(0.0, x0, piece.x0 - self.margin), max(0.0, y0, piece.y0 - self.margin)
        right = min(float(columns), x1, piece.x1 + self.margin)
        bottom = min(float(rows), y1, piece.y1 + self.margin)
        return Box(left, top, right, bottom) if right - left >= 1 and bottom - top >= 1 else None


def propagated(
    document: AnnotationDocument,
    model: SliceModel,
    parameters: CompletionParameters,
    *,
    watch: Callable[[], None] = lambda: None,
) -> dict[int, list[BoxOnSlice]]:
    """The boxes beyond the ends that ``core.completion.filled`` leaves open, by slice, ascending.

    On each next slice a box is put around every piece of the mask before, as far as its tissue goes on there, with
    the margin that the nearest boxes have: a piece that splits gets a box for each part, two that join get one. No
    box leaves the lines along which the edges of the nearest boxes run.

    Args:
        document: what was drawn of one label.
        model: predicts on the document's volume.
        parameters: where to stop.
        watch: called before each slice. What it raises stops the work.
    """
    known = {z: [entry.box for entry in on_slice] for z, on_slice in boxes_by_slice(document).items()}
    furthest = math.ceil(parameters.reach * (len(known) + len(filled(document))))
    found: dict[int, list[BoxOnSlice]] = {}
    for end in open_ends(document):
        manner = _manner(end, known, model, parameters)
        if manner is None:
            continue
        for z, boxes in _follow(end, min(end.room, furthest), manner, model, parameters, watch):
            found.setdefault(z, []).extend(
                BoxOnSlice(end.boxes[0].track_id, z, box, BoxSource.PROPAGATED, confirmed=False)
                for box in boxes
            )
    return dict(sorted(found.items()))


def _follow(
    end: OpenEnd,
    limit: int,
    manner: _Manner,
    model: SliceModel,
    parameters: CompletionParameters,
    watch: Callable[[], None],
) -> Iterator[tuple[int, list[Box]]]:
    """The boxes of each next slice, until a rule says that the label has ended."""
    before = model.predict(end.slice, [entry.box for entry in end.boxes]).logits > 0
    for z in range(end.slice + end.step, end.slice + end.step * (limit + 1), end.step):
        watch()
        tissue = manner.is_tissue(model.values(z))
        before = _without_crumbs(before, parameters.smallest_component)
        lasting = _without_crumbs(before & tissue, parameters.smallest_component)
        boxes = [
            box for piece in _pieces(lasting) if (box := manner.box(z, piece, lasting.shape)) is not None
        ]
        if not boxes:
            return
        after = model.predict(z, boxes).logits > 0
        overlap = 2 * (after & before).sum() / (after.sum() + before.sum())
        growth = after.sum() / before.sum()
        if (
            (after & tissue).sum() <= parameters.smallest_persistence * manner.usual * after.sum()
            or overlap < parameters.smallest_overlap
            or not parameters.smallest_growth <= growth <= parameters.largest_growth
        ):
            return
        yield z, boxes
        before = after


def _manner(
    end: OpenEnd, known: Mapping[int, Sequence[Box]], model: SliceModel, parameters: CompletionParameters
) -> _Manner | None:
    """From the nearest slices with boxes; None when the model finds nothing in any of them."""
    nearest = sorted(known, key=lambda z: (abs(z - end.slice), z))[: parameters.neighbours]
    hulls = np.array([_hull(known[z]) for z in nearest])
    values: list[NDArray[np.float32]] = []
    margins: list[float] = []
    for z, hull in zip(nearest, hulls, strict=True):
        mask = model.predict(z, known[z]).logits > 0
        if not mask.any():
            continue
        # The rim holds a bit of both sides.
        inside = ndimage.binary_erosion(mask)
        values.append(model.values(z)[inside if inside.sum() >= _SMALLEST_INSIDE else mask])
        filled_by = np.array(_hull(_pieces(_without_crumbs(mask, parameters.smallest_component))))
        margins += [*(filled_by - hull)[:2], *(hull - filled_by)[2:]]
    if not values:
        return None
    inner = np.concatenate(values)
    median = float(np.median(inner))
    # Values that are all the same, as in a phantom, still need a width.
    deviation = max(1.4826 * float(np.median(np.abs(inner - median))), 1e-6 * max(1.0, abs(median)))
    lowest, highest = (
        median - parameters.tissue_width * deviation,
        median + parameters.tissue_width * deviation,
    )
    return _Manner(
        lowest=lowest,
        highest=highest,
        usual=float(np.mean((inner >= lowest) & (inner <= highest))),
        margin=max(0.0, float(np.median(margins))),
        edges=tuple(_line(np.array(nearest), edge) for edge in hulls.T),
    )


def _line(slices: NDArray[np.integer[Any]], edge: NDArray[np.float64]) -> tuple[float, float]:
    """Offset and slope by the medians of Theil and Sen: one careless box does not tilt it."""
    i, j = np.triu_indices(len(slices), 1)
    slope = float(np.median((edge[i] - edge[j]) / (slices[i] - slices[j]))) if len(i) else 0.0
    return float(np.median(edge - slope * slices)), slope


def _labelled(mask: Mask) -> NDArray[np.int32]:
    """The pieces of a mask, numbered from 1."""
    width = 2 * _JOINED_WITHIN + 1
    grown = ndimage.binary_dilation(mask, np.ones((width, width), dtype=bool))
    numbered, _ = ndimage.label(grown, _EIGHT_NEIGHBOURS)
    return np.where(mask, numbered, 0).astype(np.int32)


def _without_crumbs(mask: Mask, smallest: float) -> Mask:
    numbered = _labelled(mask)
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    # The largest stays, however many there are.
    kept: Mask = (sizes >= min(smallest * sizes.sum(), sizes.max()))[numbered] & mask
    return kept


def _pieces(mask: Mask) -> list[Box]:
    """A box around each piece, without any room."""
    return [
        Box(columns.start, rows.start, columns.stop, rows.stop)
        for found in ndimage.find_objects(_labelled(mask))
        if found is not None
        for rows, columns in [found]
    ]


def _hull(boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    return (
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
