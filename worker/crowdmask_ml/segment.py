"""A volume and its boxes in, one mask out."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.volume import display_slice, from_display
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.embeddings import EmbeddingCache, EmbeddingKey, StoredEmbedding
from crowdmask_ml.segmenter import Segmenter

Progress = Callable[[int, int], None]
Boxes = Mapping[int, Mapping[int, Sequence[Box]]]


@dataclass(frozen=True, slots=True)
class SliceProvenance:
    """How one label's mask on one slice came about.

    Attributes:
        label: the label's integer.
        slice: z on the canonical grid.
        boxes: the prompts, in the order given.
        predicted_iou: the model's own guess of the mask of each box, roughly 0..1.
    """

    label: int
    slice: int
    boxes: tuple[Box, ...]
    predicted_iou: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class MaskResult:
    """The mask and where it came from.

    Attributes:
        mask: uint8 ``(z, y, x)`` on the canonical grid: the label's integer, 0 = no mask.
        slices: in ascending order of slice, then label.
        slices_encoded: how many embeddings were computed; the others were in the cache.
        seconds: wall clock, without loading the model.
    """

    mask: NDArray[np.uint8]
    slices: tuple[SliceProvenance, ...]
    slices_encoded: int
    seconds: float


def segment_volume(
    pack: SlicePack,
    boxes: Boxes,
    segmenter: Segmenter,
    *,
    window: Window,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> MaskResult:
    """Turn boxes into a mask, slice by slice; a slice without a box stays background and costs nothing.

    A label's mask on a slice is the union of the masks of its boxes, as the model gives them: not cut at the box.
    A voxel that several labels claim goes to the one whose logit is highest there, at a tie to the lower integer.

    Args:
        pack: the volume.
        boxes: by label (1..255), then slice; boxes on the canonical grid in half-open voxel edges.
        segmenter: the model.
        window: maps the volume's values to the 0..255 that the model sees.
        cache: where embeddings are kept; None computes all anew and keeps none.
        progress: called with (slices done, slices in total), first with (0, total). What it raises stops the work.

    Raises:
        InvalidInput: ``label_unknown``, ``slice_out_of_range``, ``box_invalid``, before any work.
        Corrupt: ``slice_pack_corrupt``.
    """
    started = time.perf_counter()
    by_slice = _by_slice(boxes, pack.shape)
    report = progress or _silent
    mask = np.zeros(pack.shape, dtype=np.uint8)
    provenance: list[SliceProvenance] = []
    encoded = 0
    report(0, len(by_slice))
    done, todo = 0, iter(by_slice)
    while batch := list(islice(todo, max(1, segmenter.batch_size))):
        embeddings, new = _embeddings(pack, batch, segmenter, window, cache)
        encoded += new
        for z in batch:
            labels = by_slice[z]
            # Dropped as soon as it is used: all embeddings of a volume at once would be gigabytes.
            drawn, scores = _decode(segmenter, embeddings.pop(z), labels)
            mask[z] = from_display(drawn)
            provenance.extend(
                SliceProvenance(label, z, tuple(labels[label]), scores[label]) for label in labels
            )
            done += 1
            report(done, len(by_slice))
    return MaskResult(mask, tuple(provenance), encoded, time.perf_counter() - started)


def _by_slice(boxes: Boxes, shape: tuple[int, int, int]) -> dict[int, dict[int, Sequence[Box]]]:
    """Boxes by slice, then label, both ascending; only slices that have any."""
    n_slices, rows, columns = shape
    found: dict[int, dict[int, Sequence[Box]]] = {}
    for label in sorted(boxes):
        if not 1 <= label <= 255:
            raise InvalidInput(
                ErrorCode.LABEL_UNKNOWN, f"The label {label} cannot be written: a mask holds 1 to 255."
            )
        for z, drawn in boxes[label].items():
            if not 0 <= z < n_slices:
                raise InvalidInput(
                    ErrorCode.SLICE_OUT_OF_RANGE,
                    f"There is a box of label {label} on slice {z}; the volume has the slices 0 to {n_slices - 1}.",
                )
            for box in drawn:
                box.check_inside((rows, columns))
            if drawn:
                found.setdefault(z, {})[label] = drawn
    return {z: found[z] for z in sorted(found)}


def _embeddings(
    pack: SlicePack, slices: Sequence[int], segmenter: Segmenter, window: Window, cache: EmbeddingCache | None
) -> tuple[dict[int, StoredEmbedding], int]:
    """The embedding of each slice and how many of them had to be computed."""
    keys = {
        z: EmbeddingKey(
            pack_sha256=pack.summary.sha256,
            slice=z,
            window=window,
            model_hash=segmenter.model_hash,
            preprocessing=segmenter.preprocessing,
            runtime=segmenter.runtime,
        )
        for z in slices
    }
    found: dict[int, StoredEmbedding] = {}
    if cache is not None:
        found = {z: kept for z in slices if (kept := cache.get(keys[z])) is not None}
    missing = [z for z in slices if z not in found]
    if missing:
        images = np.stack([_image(pack, z, window) for z in missing])
        for z, embedding in zip(missing, segmenter.encode(images), strict=True):
            found[z] = StoredEmbedding.quantise(embedding)
            if cache is not None:
                cache.put(keys[z], found[z])
    return found, len(missing)


def _image(pack: SlicePack, z: int, window: Window) -> NDArray[np.uint8]:
    """What the screen shows of a slice."""
    return display_slice(apply_window(pack.values(z), window)[np.newaxis], 0)


def _decode(
    segmenter: Segmenter, stored: StoredEmbedding, labels: Mapping[int, Sequence[Box]]
) -> tuple[NDArray[np.uint8], dict[int, tuple[float, ...]]]:
    """The label map of one slice, in the orientation of the screen, and the predicted IoU of each box by label."""
    embedding = stored.restore()
    winner = np.zeros(stored.size, dtype=np.uint8)
    highest = np.zeros(stored.size, dtype=np.float32)
    scores: dict[int, tuple[float, ...]] = {}
    for label, drawn in labels.items():
        prediction = segmenter.decode(embedding, np.array([box.values for box in drawn], dtype=np.float64))
        logits = prediction.logits.max(axis=0)
        wins = logits > highest
        winner[wins] = label
        highest[wins] = logits[wins]
        scores[label] = tuple(float(iou) for iou in prediction.predicted_iou)
    return winner, scores


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
