"""``crowdmask import-boxes``: boxes of another tool become a boxes file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, AssumeAffine, check_output, print_json, readable, writing
from crowdmask.core.errors import ErrorCode, InvalidInput


class BoxFormat(StrEnum):
    """Other tools' boxes that can be read."""

    OPENLABELING = "openlabeling"


def import_boxes(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The text files, NAME-sliceNNN.txt.")],
    volume: Annotated[
        Path, typer.Argument(metavar="VOLUME.nii.gz", help="The volume, or a label map on its grid.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BOXES.json", help="Boxes file to write.")
    ],
    label: Annotated[
        list[str],
        typer.Option(metavar="CLASS=LABEL", help="The label of a class, such as 0=1; once for every class."),
    ],
    box_format: Annotated[BoxFormat, typer.Option("--format", help="The tool that drew them.")],
    name: Annotated[
        str, typer.Option(help="NAME of the files; needed when the folder has those of several volumes.")
    ] = "",
    assume_affine: AssumeAffine = False,
    as_json: AsJson = False,
) -> None:
    """Bring boxes that were drawn with another tool onto the volume's grid; none is lost."""
    from crowdmask.core import boxes_file, nifti, openlabeling, tracks

    assert box_format is BoxFormat.OPENLABELING  # there is no other yet
    labels = dict(_class_and_label(text) for text in label)
    if not folder.is_dir():
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"{folder} is not a folder.")
    check_output(output, readable(volume))
    source = nifti.read_source_grid(volume, assume_affine=assume_affine)
    found = openlabeling.read_openlabeling(
        folder,
        name or _only_volume(folder),
        labels=labels,
        orientation=source.orientation,
        file_shape=source.shape,
    )
    with writing(output):
        boxes_file.write_boxes(output, boxes_file.BoxesFile(grid=source.grid, labels=found.documents))
    counts = {}
    for index, document in found.documents.items():
        on_slices = tracks.boxes_by_slice(document)
        counts[str(index)] = {
            "slices": len(on_slices),
            "boxes": sum(map(len, on_slices.values())),
            "tracks": len(document.tracks),
        }
    if as_json:
        print_json(
            {"boxes_file": str(output.absolute()), "labels": counts, "slices_visited": list(found.visited)}
        )
        return
    for title, count in counts.items():
        typer.echo(
            f"label {title}: slices {count['slices']}, boxes {count['boxes']}, tracks {count['tracks']}"
        )
    program.note(
        "slices without a box of a label stay unknown for it: a visited slice was not searched for each"
    )
    typer.echo(f"written to {output}")


def _class_and_label(text: str) -> tuple[int, int]:
    number, separator, label = text.partition("=")
    if not (separator and number.isdecimal() and label.isdecimal() and 1 <= int(label) <= 255):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"--label {text} is not a class and its label.",
            hint="Give the class's number and the label's, 1 to 255, such as 0=1.",
        )
    return int(number), int(label)


def _only_volume(folder: Path) -> str:
    from crowdmask.core.openlabeling import volumes_in

    names = volumes_in(folder)
    if len(names) != 1:
        held = ", ".join(names) or "none (NAME-sliceNNN.txt)"
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{folder} holds the boxes of {len(names)} volumes: {held}.",
            hint="Say which with --name." if names else "",
        )
    return names[0]
