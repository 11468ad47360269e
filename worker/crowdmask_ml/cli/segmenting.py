"""``crowdmask-ml segment``: boxes in, a mask out."""

import tempfile
from pathlib import Path
from typing import Annotated

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
    completion: Annotated[
        str,
        typer.Option(
            help="Slices with a mask: none, where a track is; fill, also unknown ones between two tracks; "
            "full, also beyond the ends.",
        ),
    ] = "none",
    runtime: RuntimeOption = "auto",
    assume_affine: AssumeAffine = False,
    volume_index: VolumeIndexOption = None,
    checkpoint: CheckpointOption = None,
    cache: CacheOption = None,
    as_json: AsJson = False,
) -> None:
    """Turn the boxes of a volume into a mask on exactly the volume's grid, with the labels' integers.

    Where the masks of two labels overlap, a voxel goes to the label whose logit is highest there; a label that a
    track covers on that slice comes before one that completion added. What the mask was made from is written beside
    it: MASK.provenance.json.
    """
    from crowdmask.core.boxes_file import read_boxes
    from crowdmask.core.completion import Completion
    from crowdmask.core.nifti import read_volume
    from crowdmask.core.slicepack import SlicePack, write_pack
    from crowdmask_ml.cache import SliceCache
    from crowdmask_ml.loading import load_segmenter
    from crowdmask_ml.provenance import Origin, file_sha256, provenance_path, write_mask_with_provenance
    from crowdmask_ml.registry import find_model
    from crowdmask_ml.segment import segment_volume

    find_model(model)
    if completion not in list(Completion):
        known = ", ".join(Completion)
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"There is no completion {completion!r}; it is one of {known}."
        )
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
    with tempfile.TemporaryDirectory(prefix="crowdmask-") as folder:
        pack_path = Path(folder) / "volume.pack"
        summary = write_pack(pack_path, image.voxels)
        chosen = chosen_window(window, summary)
        segmenter = load_segmenter(model, checkpoint=checkpoint, runtime=runtime)
        with SlicePack.open(pack_path) as pack, progress_bar("segment") as progress:
            result = segment_volume(
                pack,
                boxes_file.labels,
                segmenter,
                window=chosen,
                completion=Completion(completion),
                cache=SliceCache(cache) if cache is not None else None,
                progress=progress,
            )
    with writing(output):
        write_mask_with_provenance(output, result, image, segmenter, window=chosen, origin=origin)

    slices = len({entry.slice for entry in result.slices})
    count = sum(len(entry.boxes) for entry in result.slices)
    added = sum(len(entry.boxes) for entry in result.slices if entry.completed)
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
                "completion": completion,
                "seconds": round(result.seconds, 3),
                "slices": slices,
                "boxes": count,
                "boxes_added": added,
            }
        )
        return
    choice = "default" if window is None else "given"
    typer.echo(f"window {chosen.low:g} to {chosen.high:g} ({choice}), model {model}")
    typer.echo(
        f"{count} boxes on {slices} slices in {result.seconds:.1f} s; {added} of them added by completion {completion}"
    )
    typer.echo(f"written to {output} and {provenance_path(output)}")
