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
from crowdmask_ml.completion import CompletionParameters, propagated
from crowdmask_ml.embeddings import EmbeddingCache
from crowdmask_ml.reading import SliceReader
from crowdmask_ml.segmenter import Segmenter

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
        slices_encoded: how many embeddings were computed; the others were in the cache.
        seconds: wall clock, without loading the model.
        uncertainty: uint8 ``(z, y, x)``, ``core.uncertainty.entropy_map`` of the logits that the mask was made of, of
            several labels the highest; 0 on slices without a box. None unless it was asked for.
    """

    mask: NDArray[np.uint8]
    slices: tuple[SliceProvenance, ...]
    completion: Completion
    parameters: CompletionParameters
    slices_encoded: int
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
    cache: EmbeddingCache | None = None,
    with_uncertainty: bool = False,
    progress: Progress | None = None,
) -> MaskResult:
    """Turn boxes into a mask, slice by slice; a slice without a box stays background and costs nothing.

    A label's mask on a slice is the union of the masks of its boxes, as the model gives them: not cut at the box.
    A voxel that several labels claim goes to the one whose logit is highest there, at a tie to the lower integer;
    but a label that a track covers there comes before one whose boxes completion added.

    At any time there are the embeddings of one batch of slices in memory, and the logits of one slice.

    Args:
        pack: the volume.
        documents: what was drawn, by label (1..255).
        segmenter: the model.
        window: maps the volume's values to the 0..255 that the model sees.
        completion: which slices get a mask besides those that the tracks cover.
        parameters: of ``completion``; None: the defaults.
        cache: where embeddings are kept; None computes all anew and keeps none.
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
        reader = SliceReader(pack, segmenter, window, kept)
        prompts = _prompts(documents, completion, parameters, reader, report)
        mask = np.zeros(pack.shape, dtype=np.uint8)
        uncertainty = np.zeros(pack.shape, dtype=np.uint8) if with_uncertainty else None
        provenance: list[SliceProvenance] = []
        report(0, len(prompts))
        done, todo = 0, iter(prompts)
        while batch := list(islice(todo, max(1, segmenter.batch_size))):
            reader.load(batch)
            for z in batch:
                doubt = None if uncertainty is None else uncertainty[z]
                mask[z], made = _slice(reader, z, prompts[z], doubt)
                provenance += made
                done += 1
                report(done, len(prompts))
    return MaskResult(
        mask,
        tuple(provenance),
        completion,
        parameters,
        reader.encoded,
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


def _slice(
    reader: SliceReader, z: int, labels: Mapping[int, _Prompts], doubt: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8], list[SliceProvenance]]:
    """The label map ``(y, x)`` of one slice, and how each label on it came about; ``doubt``, if there is one, is raised to
    the highest uncertainty of the labels."""
    provenance = []
    # Two layers: what tracks cover, and what completion added under it.
    winner = np.zeros((2, *reader.size), np.uint8)
    highest = np.zeros((2, *reader.size), np.float32)
    for label, prompts in labels.items():
        made = reader.predict(z, prompts.plain)
        layer = int(prompts.completed)
        wins = made.logits > highest[layer]
        winner[layer, wins] = label
        highest[layer, wins] = made.logits[wins]
        if doubt is not None:
            np.maximum(doubt, entropy_map(made.logits), out=doubt)
        provenance.append(
            SliceProvenance(
                label=label,
                slice=z,
                boxes=prompts.plain,
                sources=tuple(entry.source for entry in prompts.boxes),
                confirmed=tuple(entry.confirmed for entry in prompts.boxes),
                completed=prompts.completed,
                predicted_iou=made.predicted_iou,
            )
        )
    return np.where(winner[0] > 0, winner[0], winner[1]), provenance


@contextmanager
def _kept(cache: EmbeddingCache | None, completion: Completion) -> Iterator[EmbeddingCache | None]:
    """Propagation looks at slices that are predicted later: without a cache they would be encoded twice."""
    if cache is not None or completion is not Completion.FULL:
        yield cache
        return
    with TemporaryDirectory(prefix="crowdmask-") as folder:
        yield EmbeddingCache(Path(folder))


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
