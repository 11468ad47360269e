"""``crowdmask-ml uncertainty``: which masks of a volume to look at first."""

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdmask.console import (
    AsJson,
    AssumeAffine,
    check_folder,
    check_output,
    print_json,
    readable,
    writing,
)
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask_ml.cli.options import (
    CacheOption,
    CheckpointOption,
    RuntimeOption,
    VolumeIndexOption,
    chosen_window,
    program,
    progress_bar,
)

if TYPE_CHECKING:
    from crowdmask_ml.uncertainty import SliceUncertainty, UncertaintyResult

_SHOWN = 20


def uncertainty(
    image_path: Annotated[Path, typer.Argument(metavar="IMAGE.nii.gz", help="The volume.")],
    boxes_path: Annotated[Path, typer.Argument(metavar="BOXES.json", help="Boxes file of that volume.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="MAP.nii.gz", help="Map to write, 0 (sure) to 100."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Name of the model; see: crowdmask-ml models list.")
    ] = "litemedsam",
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Values shown as black and as white; default as for segment."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=0, max=50, help="How often each box is decoded with an error on its edges.")
    ] = 5,
    jitter_mm: Annotated[
        float, typer.Option(help="Standard deviation of the error of each edge, in mm.")
    ] = 2.3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the errors.")] = 0,
    runtime: RuntimeOption = "auto",
    assume_affine: AssumeAffine = False,
    volume_index: VolumeIndexOption = None,
    checkpoint: CheckpointOption = None,
    cache: CacheOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how sure the masks of a boxes file are, slice by slice, the least sure first.

    Nothing is compared with a reference. The expected Dice is what masks with the same predicted IoU had on other
    volumes, whose references were known (docs/uncertainty.md).
    """
    import numpy as np

    from crowdmask.core.boxes_file import read_boxes
    from crowdmask.core.nifti import read_volume, write_mask
    from crowdmask.core.slicepack import SlicePack, write_pack
    from crowdmask_ml.cache import SliceCache
    from crowdmask_ml.loading import load_segmenter
    from crowdmask_ml.registry import find_model
    from crowdmask_ml.uncertainty import measure_uncertainty

    find_model(model)
    inputs = [readable(path) for path in (image_path, boxes_path, checkpoint) if path is not None]
    if output is not None:
        if not output.name.endswith((".nii.gz", ".nii")):
            raise InvalidInput(
                ErrorCode.OPTION_INVALID,
                f"The map {output} has to be called something.nii.gz or something.nii.",
            )
        check_output(output, *inputs)
    if cache is not None:
        with writing(cache):
            cache.mkdir(parents=True, exist_ok=True)
        check_folder(cache, wanted_for=cache)
    boxes_file = read_boxes(boxes_path)
    image = read_volume(image_path, assume_affine=assume_affine, volume_index=volume_index)
    for notice in image.notices:
        program.note(f"{image_path}: {notice.text}")
    boxes_file.check_matches(image.grid, image_name=str(image_path))
    with tempfile.TemporaryDirectory(prefix="crowdmask-") as folder:
        pack_path = Path(folder) / "volume.pack"
        summary = write_pack(pack_path, image.voxels)
        segmenter = load_segmenter(model, checkpoint=checkpoint, runtime=runtime)
        with SlicePack.open(pack_path) as pack, progress_bar("uncertainty") as progress:
            result = measure_uncertainty(
                pack,
                boxes_file.labels,
                segmenter,
                window=chosen_window(window, summary),
                spacing=image.grid.spacing,
                rng=np.random.default_rng(seed),
                repeats=repeats,
                jitter_mm=jitter_mm,
                cache=SliceCache(cache) if cache is not None else None,
                progress=progress,
            )
    if output is not None:
        with writing(output):
            write_mask(output, result.map, image.source)
    if not result.slices:
        program.note(f"{boxes_path} holds no box: there is nothing to be sure of")
    if as_json:
        print_json(
            {
                "map": None if output is None else str(output.absolute()),
                "model": model,
                "model_sha256": segmenter.model_hash,
                "runtime": segmenter.runtime,
                "expected_dice": {
                    str(label): _number(value) for label, value in result.expected_dice.items()
                },
                "slices": [_slice_json(entry) for entry in result.slices],
            }
        )
        return
    _print(result)
    if output is not None:
        typer.echo(f"written to {output}")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _slice_json(entry: "SliceUncertainty") -> dict[str, Any]:
    return {
        "label": entry.label,
        "slice": entry.slice,
        "voxels": entry.voxels,
        "predicted_iou": _number(entry.predicted_iou),
        "entropy": _number(entry.entropy),
        "agreement": _number(entry.agreement),
        "expected_dice": _number(entry.expected_dice),
    }


def _print(result: "UncertaintyResult") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    def shown(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.3f}"

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("label", "slice", "voxels", "predicted IoU", "entropy", "agreement", "expected Dice"):
        table.add_column(heading, justify="right")
    for entry in result.slices[:_SHOWN]:
        table.add_row(
            str(entry.label),
            str(entry.slice),
            str(entry.voxels),
            shown(entry.predicted_iou),
            shown(entry.entropy),
            shown(entry.agreement),
            shown(entry.expected_dice),
        )
    Console().print(table)
    if len(result.slices) > _SHOWN:
        typer.echo(f"and {len(result.slices) - _SHOWN} slices that are surer; --json lists them all")
    for label, value in result.expected_dice.items():
        typer.echo(f"label {label}: expected Dice of the volume {shown(value)}")
