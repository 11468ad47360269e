"""What a mask file was made from, kept in a JSON file beside it (docs/commands.md describes it)."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crowdmask
from crowdmask.core.completion import Completion
from crowdmask.core.files import write_whole
from crowdmask.core.nifti import Image, write_mask
from crowdmask.core.windowing import Window
from crowdmask_ml.completion import CompletionParameters
from crowdmask_ml.segment import MaskResult, SliceProvenance
from crowdmask_ml.segmenter import Segmenter


@dataclass(frozen=True)
class Origin:
    """The files a mask was made from and how the image was read.

    Attributes:
        image_sha256, boxes_sha256: of the files' bytes.
        affine_assumed: whether the image was read as Right, Anterior, Superior should it not say how it lies.
        volume_index: which volume of the image's file; None when it holds one.
    """

    image_sha256: str
    boxes_sha256: str
    affine_assumed: bool
    volume_index: int | None


def provenance_path(mask: Path) -> Path:
    """Beside the mask, ``.provenance.json`` in place of ``.nii.gz`` or ``.nii``; ``.json`` alone is what boxes are called."""
    return mask.with_name(mask.name.removesuffix(".gz").removesuffix(".nii") + ".provenance.json")


def file_sha256(path: Path) -> str:
    """Of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_mask_with_provenance(
    path: Path, result: MaskResult, image: Image, segmenter: Segmenter, *, window: Window, origin: Origin
) -> None:
    """Write the mask on its image's grid and the JSON file beside it. Same input, same bytes.

    Neither appears before both are whole.

    Raises:
        Conflict, InvalidInput, Unavailable: as ``nifti.write_mask``.
        OSError: a file cannot be written.
    """
    with TemporaryDirectory(prefix="crowdmask-") as folder:
        made = Path(folder) / path.name
        write_mask(made, result.mask, image.source)
        record = conditions(
            segmenter,
            window=window,
            completion=result.completion,
            parameters=result.parameters,
            origin=origin,
        )
        record["slices"] = [_slice(one) for one in result.slices]
        record["mask_sha256"] = file_sha256(made)
        with (
            write_whole(provenance_path(path)) as beside,
            write_whole(path) as mask,
            made.open("rb") as source,
        ):
            beside.write(json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")
            # A full disk shows before either of the two has its name.
            beside.flush()
            shutil.copyfileobj(source, mask)


def conditions(
    segmenter: Segmenter,
    *,
    window: Window,
    completion: Completion,
    parameters: CompletionParameters,
    origin: Origin,
) -> dict[str, Any]:
    """All that a mask depends on, as its record has it: equal conditions, equal mask."""
    return {
        "crowdmask": crowdmask.__version__,
        "model": segmenter.name,
        "model_sha256": segmenter.model_hash,
        "preprocessing": segmenter.preprocessing,
        "mask_rule": segmenter.mask_rule,
        "runtime": segmenter.runtime,
        "window": window.to_json(),
        "completion": completion,
        "completion_parameters": parameters_used(completion, parameters),
        "image_sha256": origin.image_sha256,
        "affine_assumed": origin.affine_assumed,
        "volume_index": origin.volume_index,
        "boxes_sha256": origin.boxes_sha256,
    }


def read_record(mask: Path) -> dict[str, Any] | None:
    """What stands beside a mask; None unless both files are there, whole, and belong together."""
    try:
        record = json.loads(provenance_path(mask).read_bytes())
        whole = isinstance(record, dict) and record.get("mask_sha256") == file_sha256(mask)
    except (OSError, ValueError):
        return None
    return record if whole else None


def parameters_used(completion: Completion, parameters: CompletionParameters) -> dict[str, Any] | None:
    """Those that a mask depends on; without completion none."""
    return None if completion is Completion.NONE else parameters.to_json()


def _slice(made: SliceProvenance) -> dict[str, Any]:
    return {
        "label": made.label,
        "slice": made.slice,
        "boxes": [list(box.values) for box in made.boxes],
        "sources": list(made.sources),
        "confirmed": list(made.confirmed),
        "completed": made.completed,
        "predicted_iou": [round(value, 4) for value in made.predicted_iou],
    }
