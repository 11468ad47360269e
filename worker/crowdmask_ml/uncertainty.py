"""How sure one can be of the masks that boxes give, measured with the model itself (``core.uncertainty`` says by what)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crowdmask.core import uncertainty as core
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.simulate import DEFAULT_JITTER_MM, jitter
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import AnnotationDocument, boxes_by_slice
from crowdmask.core.windowing import Window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.reading import SliceReader
from crowdmask_ml.segment import Progress
from crowdmask_ml.segmenter import Segmenter

DEFAULT_REPEATS = 5
_SCALE = 100  # of the map: 100 = one bit


@dataclass(frozen=True, slots=True)
class SliceUncertainty:
    """One label's mask on one slice.

    Attributes:
        label: the label's integer.
        slice: z on the canonical grid.
        voxels: of the mask.
        area_mm2: of the boxes, together.
        predicted_iou: the model's own guess, of the lowest box, roughly 0..1.
        entropy: bits for each voxel of the mask; NaN without one.
        agreement: mean Dice of the masks of jittered boxes, 0..1; NaN when fewer than two were asked for.
        expected_dice: what masks with this predicted IoU from boxes of this size had on the volumes of the calibration;
            NaN where the model has none.
    """

    label: int
    slice: int
    voxels: int
    area_mm2: float
    predicted_iou: float
    entropy: float
    agreement: float
    expected_dice: float


@dataclass(frozen=True, eq=False)
class UncertaintyResult:
    """All slices with a box, and a map.

    Attributes:
        slices: the least sure first, by expected Dice, else by predicted IoU.
        expected_dice: by label, of the volume: the mean of its slices, weighted by the voxels of their masks.
        map: uint8 ``(z, y, x)`` on the canonical grid, hundredths of a bit of entropy of being in the mask (100: a half
            of all masks holds the voxel), averaged over the jittered boxes; of several labels the highest.
    """

    slices: tuple[SliceUncertainty, ...]
    expected_dice: Mapping[int, float]
    map: NDArray[np.uint8]


def measure_uncertainty(
    pack: SlicePack,
    documents: Mapping[int, AnnotationDocument],
    segmenter: Segmenter,
    *,
    window: Window,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    repeats: int = DEFAULT_REPEATS,
    jitter_mm: float = DEFAULT_JITTER_MM,
    cache: SliceCache | None = None,
    progress: Progress | None = None,
) -> UncertaintyResult:
    """Decode every box as it is and ``repeats`` times with an error on each edge, on every slice that a track covers.

    Args:
        pack: the volume.
        documents: what was drawn, by label (1..255), on the pack's grid.
        spacing: (dx, dy, dz) in mm.
        rng: draws the errors.
        repeats: jittered decodings; 0 leaves out ``agreement`` and costs no more than the mask.
        jitter_mm: standard deviation of the error of each edge, in mm.
        progress: called with (slices done, slices in total). What it raises stops the work.

    Raises:
        InvalidInput: ``volume_mismatch``, a document of another shape than the volume; ``option_invalid``, as for
            ``core.simulate.jitter``.
        Corrupt: ``slice_pack_corrupt``.
    """
    for label, document in documents.items():
        if document.shape != pack.shape:
            raise InvalidInput(
                ErrorCode.VOLUME_MISMATCH,
                f"The boxes of label {label} are for a volume of {document.shape}, not of {pack.shape}.",
            )
    drawn = {
        label: {z: [entry.box for entry in entries] for z, entries in boxes_by_slice(document).items()}
        for label, document in sorted(documents.items())
    }
    size = pack.shape[1], pack.shape[2]
    moved = {
        label: [
            jitter(boxes, jitter_mm=jitter_mm, spacing=spacing, size=size, rng=rng) for _ in range(repeats)
        ]
        for label, boxes in drawn.items()
    }
    calibration = calibration_of(segmenter)
    reader = SliceReader(pack, segmenter, window, cache)
    doubt = np.zeros(pack.shape, dtype=np.uint8)
    found: list[SliceUncertainty] = []
    todo = sorted({z for boxes in drawn.values() for z in boxes})
    for done, z in enumerate(todo):
        if progress is not None:
            progress(done, len(todo))
        for label, boxes in drawn.items():
            if z not in boxes:
                continue
            as_drawn, *jittered = reader.predict_each(z, [boxes[z], *(again[z] for again in moved[label])])
            others = [made.logits for made in jittered]
            probability = expit(as_drawn.logits)
            mean = np.mean([probability, *(expit(logits) for logits in others)], axis=0)
            bits = np.rint(_SCALE * core.entropy(mean)).astype(np.uint8)
            np.maximum(doubt[z], bits, out=doubt[z])
            predicted_iou = min(as_drawn.predicted_iou)
            area_mm2 = sum(box.area for box in boxes[z]) * spacing[0] * spacing[1]
            found.append(
                SliceUncertainty(
                    label=label,
                    slice=z,
                    voxels=int(np.count_nonzero(as_drawn.logits > 0)),
                    area_mm2=area_mm2,
                    predicted_iou=predicted_iou,
                    entropy=core.entropy_per_voxel(probability),
                    agreement=core.agreement([logits > 0 for logits in others]),
                    expected_dice=float("nan")
                    if calibration is None
                    else calibration.expected_dice(predicted_iou, area_mm2),
                )
            )
    if progress is not None:
        progress(len(todo), len(todo))
    found.sort(key=lambda entry: (_sureness(entry), entry.label, entry.slice))
    of_volume = {label: _weighted([entry for entry in found if entry.label == label]) for label in drawn}
    return UncertaintyResult(tuple(found), of_volume, doubt)


def _sureness(entry: SliceUncertainty) -> float:
    return entry.predicted_iou if np.isnan(entry.expected_dice) else entry.expected_dice


@once
def _calibrations() -> Mapping[str, core.Calibration]:
    text = resources.files("crowdmask_ml").joinpath("calibration.json").read_text(encoding="utf-8")
    return {
        model_hash: core.Calibration.from_json(document) for model_hash, document in json.loads(text).items()
    }


def calibration_of(segmenter: Segmenter) -> core.Calibration | None:
    """What to expect of masks by these weights; None when it was never measured (docs/uncertainty.md)."""
    return _calibrations().get(segmenter.model_hash)


def _weighted(entries: list[SliceUncertainty]) -> float:
    weights = np.array([entry.voxels for entry in entries], dtype=np.float64)
    if not weights.sum():
        return float("nan")
    return float(np.average([entry.expected_dice for entry in entries], weights=weights))
