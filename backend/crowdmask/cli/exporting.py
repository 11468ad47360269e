"""``crowdmask export-boxes``: a boxes file in the form of another tool."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, AssumeAffine, check_output, print_json, readable, writing
from crowdmask.core.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from crowdmask.core.boxes_file import BoxesFile


class BoxForm(StrEnum):
    """Forms that boxes can be written in; what each loses: ``docs/boxes-file.md``."""

    CSV = "csv"
    COCO = "coco"
    OPENLABELING = "openlabeling"


def export_boxes(
    boxes: Annotated[Path, typer.Argument(metavar="BOXES.json", help="The boxes file.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write; a folder, made when needed, for openlabeling."),
    ],
    form: Annotated[BoxForm, typer.Option("--format", help="The form to write.")],
    name: Annotated[str, typer.Option(help="Name of the volume in it; else that of the boxes file.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=NAME", help="Name of a label, such as 1=liver.")
    ] = None,
    volume: Annotated[
        Path | None,
        typer.Option(
            metavar="VOLUME.nii.gz",
            help="The volume of the boxes, whose axes the pictures follow; needed for openlabeling.",
        ),
    ] = None,
    assume_affine: AssumeAffine = False,
    as_json: AsJson = False,
) -> None:
    """Write boxes as a table, as COCO, or as the text files of OpenLabeling and YOLO."""
    from crowdmask.core.box_formats import DrawnBoxes, boxes_csv, coco
    from crowdmask.core.boxes_file import read_boxes
    from crowdmask.core.files import write_whole
    from crowdmask.core.labels import Label
    from crowdmask.core.nnunet_layout import case_name
    from crowdmask.core.tracks import boxes_by_slice

    names = dict(_label_and_name(text) for text in label or ())
    found = read_boxes(readable(boxes))
    volume_name = name or boxes.name.removesuffix(".json")
    drawn = [
        DrawnBoxes(volume_name, Label(index, names.get(index, f"label {index}")), "", document)
        for index, document in found.labels.items()
    ]
    if form is BoxForm.OPENLABELING:
        files = _text_files(found, volume, case_name(volume_name), assume_affine=assume_affine)
        with writing(output):
            output.mkdir(parents=True, exist_ok=True)
            for file_name, text in files.items():
                with write_whole(output / file_name) as file:
                    file.write(text.encode())
    else:
        check_output(output, boxes)
        text = "".join(boxes_csv(drawn)) if form is BoxForm.CSV else f"{json.dumps(coco(drawn))}\n"
        with writing(output), write_whole(output) as file:
            file.write(text.encode())
    count = sum(len(on_slice) for one in drawn for on_slice in boxes_by_slice(one.document).values())
    if as_json:
        print_json({"output": str(output.absolute()), "boxes": count})
        return
    if form is BoxForm.OPENLABELING:
        program.note("class 0 is label 1, and so on; a slice without a file was not decided for every label")
    typer.echo(f"boxes {count}, written to {output}")


def _text_files(found: "BoxesFile", volume: Path | None, name: str, *, assume_affine: bool) -> dict[str, str]:
    from crowdmask.core import nifti
    from crowdmask.core.openlabeling import openlabeling_files

    if volume is None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "OpenLabeling's pictures follow the axes of the volume's file, which the boxes file does not hold.",
            hint="Name the volume with --volume.",
        )
    source = nifti.read_source_grid(readable(volume), assume_affine=assume_affine)
    found.check_matches(source.grid, image_name=volume.name)
    return openlabeling_files(
        name,
        found.labels,
        classes={index: index - 1 for index in found.labels},
        orientation=source.orientation,
        file_shape=source.shape,
    )


def _label_and_name(text: str) -> tuple[int, str]:
    number, separator, name = text.partition("=")
    if not (separator and number.isdecimal() and 1 <= int(number) <= 255 and name.strip()):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"--label {text} is not a label and its name.",
            hint="Give the label's number, 1 to 255, and its name, such as 1=liver.",
        )
    return int(number), name
