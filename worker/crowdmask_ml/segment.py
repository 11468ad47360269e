"""A volume and what was drawn on it in, one mask out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.completion import Completion, filled
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import AnnotationDocument, BoxOnSlice, boxes_by_slice
from crowdmask.core.uncertainty import entropy_map
from crowdmask.core.windowing import Window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.completion import CompletionParameters, propagated
from crowdmask_ml.reading import SliceReader
from crowdmask_ml.segmenter import Segmenter
from crowdmask_ml.smoothing import LabelsOnSlice, drop_small_pieces, smoothed

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SliceProvenance:
    """How one label's mask on one slice came about.

    Attributes:
        label: the label's integer.
        slice: z on the canonical grid.
        boxes: the prompts: a track's in the order of the tracks, else those that completion added.
        sources: where each box came from.
        confirmed: whether somebody looked at each box and left it as it was.
        completed: whether the slice was unknown and its boxes are completion's: a suggestion.
        predicted_iou: the model's own guess of the mask of each box, roughly 0..1.
    """

    label: int
    slice: int
    boxes: tuple[Box, ...]
    sources: tuple[BoxSource, ...]
    confirmed: tuple[bool, ...]
    completed: bool
    predicted_iou: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class MaskResult:
    """The mask and where it came from.

    Attributes:
        mask: uint8 ``(z, y, x)`` on the canonical grid: the label's integer, 0 = no mask.
        slices: in ascending order of slice, then label.
        completion, parameters: what was added to the slices that the tracks cover.
        slices_encoded: how many embeddings were computed; the others were in the cache or not needed.
        predictions_made: how often the boxes of a label on a slice were decoded; the others were in the cache.
        seconds: wall clock, without loading the model.
        uncertainty: uint8 ``(z, y, x)``, ``core.uncertainty.entropy_map`` of the logits that the mask was made of, of
            several labels the highest; 0 on slices without a box. None unless it was asked for.
    """

    mask: NDArray[np.uint8]
    slices: tuple[SliceProvenance, ...]
    completion: Completion
    parameters: CompletionParameters
    slices_encoded: int
    predictions_made: int
    seconds: float
    uncertainty: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class _Prompts:
    """The boxes of one label on one slice."""

    boxes: Sequence[BoxOnSlice]
    completed: bool

    @property
    def plain(self) -> tuple[Box, ...]:
        return tuple(entry.box for entry in self.boxes)


def segment_volume(
    pack: SlicePack,
    documents: Mapping[int, AnnotationDocument],
    segmenter: Segmenter,
    *,
    window: Window,
    completion: Completion = Completion.NONE,
    parameters: CompletionParameters | None = None,
    cache: SliceCache | None = None,
    with_uncertainty: bool = False,
    progress: Progress | None = None,
) -> MaskResult:
    """Turn boxes into a mask, slice by slice; a slice without a box stays background and costs nothing.

    A label's mask on a slice is the union of the masks of its boxes, as the model gives them: not cut at the box.
    A voxel that several labels claim goes to the one whose logit is highest there, at a tie to the lower integer;
    but a label that a track covers there comes before one whose boxes completion added.

    At any time there are the embeddings of one batch of slices in memory, and the logits of one slice; with smoothing
    those of the slices within three standard deviations.

    Args:
        pack: the volume.
        documents: what was drawn, by label (1..255).
        segmenter: the model.
        window: maps the volume's values to the 0..255 that the model sees.
        completion: which slices get a mask besides those that the tracks cover.
        parameters: of ``completion``; None: the defaults.
        cache: where the embeddings and predictions of slices are kept: work that was stopped, or boxes of which few
            have changed, cost only what is new. None computes all anew and keeps nothing.
        with_uncertainty: whether to map how undecided the model was; costs a byte per voxel and little time.
        progress: called with (slices done, slices in total), first with (0, total); the total grows while slices
            beyond the ends are found. What it raises stops the work.

    Raises:
        InvalidInput: ``label_unknown`` or ``volume_mismatch``, before any work.
        Corrupt: ``slice_pack_corrupt``.
    """
    started = time.perf_counter()
    _check(documents, pack.shape)
    parameters = parameters or CompletionParameters()
    report = progress or _silent
    with _kept(cache, completion) as kept:
        reader = SliceReader(pack, segmenter, window, kept, keeps_predictions=True)
        prompts = _prompts(documents, completion, parameters, reader, report)
        mask = np.zeros(pack.shape, dtype=np.uint8)
        uncertainty = np.zeros(pack.shape, dtype=np.uint8) if with_uncertainty else None
        provenance: list[SliceProvenance] = []
        report(0, len(prompts))
        added = _completed(prompts)
        stream = smoothed(
            _predictions(reader, prompts, segmenter.batch_size),
            lambda z, label: prompts[z][label].completed,
            sigma=parameters.smoothing if added else 0.0,
        )
        for done, (z, predictions) in enumerate(stream, 1):
            mask[z] = _label_map(reader.size, predictions, prompts[z])
            if uncertainty is not None:
                uncertainty[z] = np.max([entropy_map(made.logits) for made in predictions.values()], axis=0)
            provenance += _provenance(z, predictions, prompts[z])
            report(done, len(prompts))
    drop_small_pieces(mask, added, smallest=parameters.smallest_piece)
    return MaskResult(
        mask,
        tuple(provenance),
        completion,
        parameters,
        reader.encoded,
        reader.decoded,
        time.perf_counter() - started,
        uncertainty,
    )


def _check(documents: Mapping[int, AnnotationDocument], shape: tuple[int, int, int]) -> None:
    for label, document in documents.items():
        if not 1 <= label <= 255:
            raise InvalidInput(
                ErrorCode.LABEL_UNKNOWN, f"The label {label} cannot be written: a mask holds 1 to 255."
            )
        if document.shape != shape:
            raise InvalidInput(
                ErrorCode.GRID_MISMATCH,
                f"Label {label} was drawn on a volume of the shape {document.shape}, this one has {shape} (z, y, x).",
                hint="Use the boxes of this volume.",
            )


def _prompts(
    documents: Mapping[int, AnnotationDocument],
    completion: Completion,
    parameters: CompletionParameters,
    reader: SliceReader,
    report: Progress,
) -> dict[int, dict[int, _Prompts]]:
    """By slice, then label, both ascending; only slices that have any."""
    found: dict[int, dict[int, _Prompts]] = {}

    def put(label: int, boxes: Mapping[int, Sequence[BoxOnSlice]], *, completed: bool) -> None:
        for z, on_slice in boxes.items():
            found.setdefault(z, {})[label] = _Prompts(on_slice, completed)

    for label in sorted(documents):
        document = documents[label]
        put(label, boxes_by_slice(document), completed=False)
        added: dict[int, list[BoxOnSlice]] = {}
        if completion is not Completion.NONE:
            added = filled(document)
        if completion is Completion.FULL:
            for z, on_slice in propagated(
                document, reader, parameters, watch=lambda: report(0, len(found))
            ).items():
                added.setdefault(z, []).extend(on_slice)
        put(label, added, completed=True)
    return {z: found[z] for z in sorted(found)}


def _predictions(
    reader: SliceReader, prompts: Mapping[int, Mapping[int, _Prompts]], batch_size: int
) -> Iterator[tuple[int, LabelsOnSlice]]:
    """Slice by slice, encoded in batches where something is not decoded yet."""
    todo = iter(prompts)
    while batch := list(islice(todo, max(1, batch_size))):
        reader.load(
            [z for z in batch if not all(reader.keeps(z, asked.plain) for asked in prompts[z].values())]
        )
        for z in batch:
            made = reader.predict_each(z, [asked.plain for asked in prompts[z].values()])
            yield z, dict(zip(prompts[z], made, strict=True))


def _label_map(
    size: tuple[int, int], predictions: LabelsOnSlice, prompts: Mapping[int, _Prompts]
) -> NDArray[np.uint8]:
    """Which label each voxel of a slice goes to: ``(y, x)``, 0 = none."""
    # Two layers: what tracks cover, and what completion added under it.
    winner = np.zeros((2, *size), np.uint8)
    highest = np.zeros((2, *size), np.float32)
    for label, made in predictions.items():
        layer = int(prompts[label].completed)
        wins = made.logits > highest[layer]
        winner[layer, wins] = label
        highest[layer, wins] = made.logits[wins]
    won: NDArray[np.uint8] = np.where(winner[0] > 0, winner[0], winner[1])
    return won


def _provenance(
    z: int, predictions: LabelsOnSlice, prompts: Mapping[int, _Prompts]
) -> Iterator[SliceProvenance]:
    """How each label on a slice came about."""
    for label, asked in prompts.items():
        yield SliceProvenance(
            label=label,
            slice=z,
            boxes=asked.plain,
            sources=tuple(entry.source for entry in asked.boxes),
            confirmed=tuple(entry.confirmed for entry in asked.boxes),
            completed=asked.completed,
            predicted_iou=predictions[label].predicted_iou,
        )


def _completed(prompts: Mapping[int, Mapping[int, _Prompts]]) -> dict[int, list[int]]:
    """By label, the slices that completion added, ascending."""
    found: dict[int, list[int]] = {}
    for z, labels in prompts.items():
        for label, asked in labels.items():
            if asked.completed:
                found.setdefault(label, []).append(z)
    return found


@contextmanager
def _kept(cache: SliceCache | None, completion: Completion) -> Iterator[SliceCache | None]:
    """Propagation looks at slices that are predicted later: without a cache all of it would be done twice."""
    if cache is not None or completion is not Completion.FULL:
        yield cache
        return
    with TemporaryDirectory(prefix="crowdmask-") as folder:
        yield SliceCache(Path(folder))


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
