"""Crowd boxes on reference slices, and of each slice the Dice of its mask and everything that was seen of it without knowing that.

The Dice is that of the label's own mask, before labels compete for voxels: it is what the signs are of. A volume is read
once, slice by slice, for all seeds and ways of drawing.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from series import Series

from crowdmask.core.geometry import Box
from crowdmask.core.metrics import volume_dice
from crowdmask.core.simulate import DEFAULT_JITTER_MM, Annotator, jitter, simulate
from crowdmask.core.tracks import boxes_by_slice
from crowdmask.core.uncertainty import agreement, entropy_per_voxel
from crowdmask_ml.reading import SlicePrediction, SliceReader
from crowdmask_ml.segmenter import Segmenter

ARMS: Mapping[str, Mapping[str, Any]] = {"as drawn": {}, "5 mm too loose": {"loose_mm": 5.0}}
SIGNS = ("predicted_iou", "entropy", "stability", "size", "outline", "fill")
BoxesBySlice = Mapping[int, Sequence[Box]]


def slices_with_boxes(
    series: Series, segmenter: Segmenter, *, seeds: Sequence[int], repeats: int
) -> list[dict[str, Any]]:
    """A row for each slice of each organ, seed and way of drawing; ``agreement`` is NaN with fewer than two ``repeats``."""
    drawn = {
        (arm, seed, label): _boxes(series, label, seed, repeats, **ARMS[arm])
        for arm in ARMS
        for seed in seeds
        for label in series.organs
    }
    rows: list[dict[str, Any]] = []
    last: dict[tuple[str, int, int], tuple[dict[str, Any], NDArray[np.bool_]]] = {}
    with series.pack() as (pack, window):
        reader = SliceReader(pack, segmenter, window, None)
        todo = iter(sorted({z for boxes, *_ in drawn.values() for z in boxes}))
        while batch := list(islice(todo, max(1, segmenter.batch_size))):
            reader.load(batch)
            for z in batch:
                values = reader.values(z)
                for key, (boxes, *moved) in drawn.items():
                    if z not in boxes:
                        continue
                    arm, _, label = key
                    row, mask = _row(series, z, label, boxes[z], reader, segmenter, values)
                    row |= {"arm": arm, "neighbours": []}
                    row["agreement"] = agreement(
                        [made.logits > 0 for made in reader.predict_each(z, [again[z] for again in moved])]
                    )
                    if key in last and last[key][0]["slice"] == z - 1:
                        alike = volume_dice(mask[np.newaxis], last[key][1][np.newaxis])
                        row["neighbours"].append(alike)
                        last[key][0]["neighbours"].append(alike)
                    last[key] = row, mask
                    rows.append(row)
    for row in rows:
        row["neighbours"] = float(np.nanmean(row["neighbours"])) if row["neighbours"] else float("nan")
    return rows


def _boxes(series: Series, label: int, seed: int, repeats: int, **options: Any) -> list[BoxesBySlice]:
    """As somebody draws them, then ``repeats`` times with another error."""
    document = simulate(
        series.labels == label,
        annotator=Annotator.CROWD,
        grid=series.grid,
        rng=np.random.default_rng([seed, label]),
        **options,
    )
    boxes = {z: [entry.box for entry in entries] for z, entries in boxes_by_slice(document).items()}
    rng = np.random.default_rng([seed, label, 1000])
    return [
        boxes,
        *(
            jitter(
                boxes,
                jitter_mm=DEFAULT_JITTER_MM,
                spacing=series.grid.spacing,
                size=series.grid.size,
                rng=rng,
            )
            for _ in range(repeats)
        ),
    ]


def _row(
    series: Series,
    z: int,
    label: int,
    boxes: Sequence[Box],
    reader: SliceReader,
    segmenter: Segmenter,
    values: NDArray[np.float32],
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    made = reader.predict(z, boxes)
    mask = made.logits > 0
    area_mm2 = sum(box.area for box in boxes) * series.grid.spacing[0] * series.grid.spacing[1]
    row = {
        "series": series.name,
        "patient": series.patient,
        "place": f"{series.name} {series.organs[label]} {z}",
        "slice": z,
        "dice": volume_dice(mask[np.newaxis], series.labels[z][np.newaxis] == label),
        "iou": min(made.predicted_iou),
        "entropy_per_voxel": entropy_per_voxel(expit(made.logits)),
        "log2_mm2": float(np.log2(area_mm2)),
        "contrast": _contrast(values, mask, boxes),
        "signs": _signs(made, boxes, segmenter.input_size / max(mask.shape)),
    }
    return row, mask


def _signs(made: SlicePrediction, boxes: Sequence[Box], pixels_per_voxel: float) -> dict[str, float] | None:
    """What one decoding says of its mask, on scales on which a straight line can follow the logit of the Dice; None when
    the mask is empty. Pixels are those of the network's input, along an edge of a voxel.
    """
    logits, mask = made.logits, made.logits > 0
    voxels, box_area = int(np.count_nonzero(mask)), sum(box.area for box in boxes)
    if not voxels:
        return None
    # SAM's own stability score: how much of the mask hangs on the threshold.
    stable = np.count_nonzero(logits > 1) / np.count_nonzero(logits > -1)
    outline = sum(np.count_nonzero(np.diff(np.pad(mask, 1), axis=axis)) for axis in (0, 1))
    found = {
        "predicted_iou": logit(np.clip(min(made.predicted_iou), 0.02, 0.98)),
        "entropy": np.log2(max(entropy_per_voxel(expit(logits)), 1e-3)),
        "stability": logit(np.clip(stable, 0.02, 0.98)),
        # What the network can resolve.
        "size": np.log2(box_area * pixels_per_voxel**2),
        # What an error of a voxel along the outline costs.
        "outline": np.log2(outline / voxels),
        # Part of an organ fills less of its box than an ellipse does, a leak more.
        "fill": abs(np.log2(voxels / box_area / (np.pi / 4))),
    }
    return {name: float(found[name]) for name in SIGNS}


def _contrast(values: NDArray[np.float32], mask: NDArray[np.bool_], boxes: Sequence[Box]) -> float:
    """log2 of how far the means inside the mask and around it, up to half a box away, lie apart in standard deviations."""
    around = np.zeros_like(mask)
    for box in boxes:
        dx, dy = (box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2
        around[
            max(0, int(box.y0 - dy)) : int(np.ceil(box.y1 + dy)),
            max(0, int(box.x0 - dx)) : int(np.ceil(box.x1 + dx)),
        ] = True
    inside, outside = values[mask].astype(np.float64), values[around & ~mask].astype(np.float64)
    if not (len(inside) and len(outside)):
        return float("nan")
    spread = np.sqrt((inside.var() + outside.var()) / 2)
    return float(np.log2(np.clip(abs(inside.mean() - outside.mean()) / max(spread, 1e-9), 1 / 16, 16)))
