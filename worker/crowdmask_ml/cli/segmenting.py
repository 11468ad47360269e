"""``crowdmask-ml segment``: boxes in, a mask out."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from crowdmask_ml.cli.options import program

if TYPE_CHECKING:
    from crowdmask.core.boxes_file import BoxesFile
    from crowdmask.core.geometry import Box
    from crowdmask.core.slicepack import PackSummary
    from crowdmask.core.windowing import Window


def segment(
    image_path: Annotated[Path, typer.Argument(metavar="IMAGE.nii.gz", help="The volume.")],
    boxes_path: Annotated[Path, typer.Argument(metavar="BOXES.json", help="Boxes file of that volume.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MASK.nii.gz", help="Mask to write.")],
    model: Annotated[
        str, typer.Option(help="Name of the model; see: crowdmask-ml models list.")
    ] = "litemedsam",
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LO HI",
            help="Values shown as black and as white. Default: -160 240 for CT, "
            "else the 0.5 and 99.5 percentiles of the volume.",
        ),
    ] = None,
    assume_affine: AssumeAffine = False,
    volume_index: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Which volume of a file that holds several.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The model's weights, when not in their usual place.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep embeddings there; about 1 MB for each slice with a box."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn the boxes of a volume into a mask on exactly the volume's grid, with the labels' integers.

    Where the masks of two labels overlap, a voxel goes to the label whose logit is highest there. What the mask was
    made from is written beside it: MASK.provenance.json.
    """
    from crowdmask.core.boxes_file import read_boxes
    from crowdmask.core.nifti import read_volume
    from crowdmask.core.slicepack import SlicePack, write_pack
    from crowdmask_ml.embeddings import EmbeddingCache
    from crowdmask_ml.provenance import Origin, file_sha256, provenance_path, write_mask_with_provenance
    from crowdmask_ml.registry import find_model, load_segmenter
    from crowdmask_ml.segment import segment_volume

    find_model(model)
    inputs = [readable(path) for path in (image_path, boxes_path, checkpoint) if path is not None]
    if not output.name.endswith((".nii.gz", ".nii")):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"The mask {output} has to be called something.nii.gz or something.nii."
        )
    check_output(output, *inputs)
    check_output(provenance_path(output), *inputs)
    if cache is not None:
        with writing(cache):
            cache.mkdir(parents=True, exist_ok=True)
        check_folder(cache, wanted_for=cache)
    origin = Origin(
        image_sha256=file_sha256(image_path),
        boxes_sha256=file_sha256(boxes_path),
        affine_assumed=assume_affine,
        volume_index=volume_index,
    )
    boxes_file = read_boxes(boxes_path)
    image = read_volume(image_path, assume_affine=assume_affine, volume_index=volume_index)
    for notice in image.notices:
        program.note(f"{image_path}: {notice.text}")
    boxes_file.check_matches(image.grid, image_name=str(image_path))
    boxes = _boxes_by_label(boxes_file)
    with tempfile.TemporaryDirectory(prefix="crowdmask-") as folder:
        pack_path = Path(folder) / "volume.pack"
        summary = write_pack(pack_path, image.voxels)
        chosen = _window(window, summary)
        segmenter = load_segmenter(model, checkpoint=checkpoint)
        with SlicePack.open(pack_path) as pack, _progress() as progress:
            result = segment_volume(
                pack,
                boxes,
                segmenter,
                window=chosen,
                cache=EmbeddingCache(cache) if cache is not None else None,
                progress=progress,
            )
    with writing(output):
        write_mask_with_provenance(output, result, image, segmenter, window=chosen, origin=origin)

    slices = len({entry.slice for entry in result.slices})
    count = sum(len(entry.boxes) for entry in result.slices)
    if not count:
        program.note(f"{boxes_path} holds no box: the mask is empty")
    if as_json:
        print_json(
            {
                "mask": str(output.absolute()),
                "provenance": str(provenance_path(output).absolute()),
                "model": model,
                "model_sha256": segmenter.model_hash,
                "mask_rule": segmenter.mask_rule.value,
                "runtime": segmenter.runtime,
                "window": chosen.to_json(),
                "seconds": round(result.seconds, 3),
                "slices": slices,
                "boxes": count,
            }
        )
        return
    choice = "default" if window is None else "given"
    typer.echo(f"window {chosen.low:g} to {chosen.high:g} ({choice}), model {model}")
    typer.echo(f"{count} boxes on {slices} slices in {result.seconds:.1f} s")
    typer.echo(f"written to {output} and {provenance_path(output)}")


def _boxes_by_label(boxes_file: "BoxesFile") -> "dict[int, dict[int, list[Box]]]":
    """Every slice that a track covers, with the track's own interpolation: the completion ``none``."""
    from crowdmask.core.tracks import boxes_by_slice

    return {
        label: {z: [entry.box for entry in found] for z, found in boxes_by_slice(document).items()}
        for label, document in boxes_file.labels.items()
    }


def _window(given: tuple[float, float] | None, summary: "PackSummary") -> "Window":
    from crowdmask.core.windowing import Window, default_window

    if given is not None:
        return Window(low=given[0], high=given[1])
    return default_window(
        finite_minimum=summary.finite_minimum,
        percentile_low=summary.percentile_low,
        percentile_high=summary.percentile_high,
    )


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error when that is a terminal, else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("segment"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("segment", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
