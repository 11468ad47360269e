"""The masks of a case, kept beside their provenance and not made twice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crowdmask.core.completion import Completion
from crowdmask.core.errors import InvalidInput
from crowdmask.core.nifti import Image, read_volume
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.core.windowing import Window, default_window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.completion import CompletionParameters
from crowdmask_ml.provenance import Origin, conditions, file_sha256, read_record, write_mask_with_provenance
from crowdmask_ml.segment import Progress, segment_volume
from crowdmask_ml.segmenter import Segmenter


@dataclass(frozen=True)
class KeptMask:
    """A mask file with its record.

    Attributes:
        record: what stands beside it (docs/commands.md, ``crowdmask-ml segment``).
        made: whether it was computed now; else it was there, of equal provenance.
    """

    path: Path
    record: Mapping[str, Any]
    made: bool

    def covered(self, label: int) -> frozenset[int]:
        """The slices on which the model had a box of the label, drawn or completed."""
        return frozenset(entry["slice"] for entry in self.record["slices"] if entry["label"] == label)


@dataclass(frozen=True)
class CaseFiles:
    """What the masks of one case are made from: its image and its boxes file."""

    image: Path
    volume_index: int | None
    boxes: Path


def keep_masks(
    files: CaseFiles,
    documents: Mapping[int, AnnotationDocument],
    segmenter: Segmenter,
    targets: Mapping[Completion, Path],
    *,
    window: Window | None = None,
    progress: Progress | None = None,
) -> dict[Completion, KeptMask]:
    """The masks of one case by one model, one for each completion; what is there with equal provenance is not made again.

    Args:
        files: what provenance names; ``documents`` are those of the boxes file.
        documents: by label.
        segmenter: the model.
        targets: where each mask belongs; folders exist.
        window: None: the volume's default.
        progress: as for ``segment_volume``, for each mask that is made.

    Raises:
        CrowdmaskError: what ``nifti.read_volume`` and ``segment_volume`` refuse.
    """
    origin = Origin(
        image_sha256=file_sha256(files.image),
        boxes_sha256=file_sha256(files.boxes),
        affine_assumed=False,
        volume_index=files.volume_index,
    )
    parameters = CompletionParameters()
    kept: dict[Completion, KeptMask] = {}
    for completion, path in targets.items():
        record = read_record(path)
        # Without a window given it follows from the image, whose hash is compared.
        if record is not None and (given := window or _window_of(record)) is not None:
            wanted = conditions(
                segmenter, window=given, completion=completion, parameters=parameters, origin=origin
            )
            if all(record.get(name) == value for name, value in wanted.items()):
                kept[completion] = KeptMask(path, record, made=False)
    missing = [completion for completion in targets if completion not in kept]
    if not missing:
        return kept
    image = read_volume(files.image, volume_index=files.volume_index)
    with _opened(image) as (pack, folder):
        summary = pack.summary
        chosen = window or default_window(
            finite_minimum=summary.finite_minimum,
            percentile_low=summary.percentile_low,
            percentile_high=summary.percentile_high,
        )
        cache = SliceCache(folder / "embeddings")
        for completion in missing:
            result = segment_volume(
                pack,
                documents,
                segmenter,
                window=chosen,
                completion=completion,
                parameters=parameters,
                cache=cache,
                progress=progress,
            )
            path = targets[completion]
            write_mask_with_provenance(path, result, image, segmenter, window=chosen, origin=origin)
            record = read_record(path)
            assert record is not None  # just written
            kept[completion] = KeptMask(path, record, made=True)
    return {completion: kept[completion] for completion in targets}


@contextmanager
def _opened(image: Image) -> Iterator[tuple[SlicePack, Path]]:
    """The slice pack of an image, and a folder for what is made from it, both for as long as the block lasts."""
    with TemporaryDirectory(prefix="crowdmask-") as name:
        path = Path(name) / "volume.pack"
        write_pack(path, image.voxels)
        with SlicePack.open(path) as pack:
            yield pack, Path(name)


def _window_of(record: Mapping[str, Any]) -> Window | None:
    try:
        return Window.from_json(record["window"])
    except (InvalidInput, KeyError, TypeError):
        return None
