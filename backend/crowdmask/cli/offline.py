"""The commands that need no server and no data folder: files in, files or figures out."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, AssumeAffine, check_output, print_json, readable, writing
from crowdmask.core.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from crowdmask.core.metrics import Scores
    from crowdmask.core.nifti import Image


def simulate(
    reference: Annotated[Path, typer.Argument(metavar="REF.nii.gz", help="Label map to derive boxes from.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BOXES.json", help="Boxes file to write.")
    ],
    label: Annotated[list[int], typer.Option(help="Integer of the label; may be given several times.")],
    annotator: Annotated[
        str,
        typer.Option(help="ideal: boxes as the rule gives them; crowd: the same with an error on each edge."),
    ] = "ideal",
    rule: Annotated[
        str,
        typer.Option(help="How boxes follow from the label: paper, or released-code (that of its authors)."),
    ] = "paper",
    jitter_mm: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the crowd's error, in mm; default: 2.3."),
    ] = None,
    miss_inner: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the inner slices that get no box, 0 to 1.")
    ] = 0.0,
    miss_ends: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the slices without a box at each end, 0 to 0.5.")
    ] = 0.0,
    loose_mm: Annotated[
        float, typer.Option(metavar="MM", help="How far outside every edge lies; below 0: inside.")
    ] = 0.0,
    one_box: Annotated[
        bool, typer.Option("--one-box", help="One box per slice around all regions, instead of one for each.")
    ] = False,
    holes_of: Annotated[
        Path | None,
        typer.Option(
            metavar="BOXES.json",
            help="Leave out the slices that were left out there, between the same label's first and last box.",
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Draw every Nth slice of a piece, its first and its last."),
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the errors and of the slices missed.")] = 0,
    assume_affine: AssumeAffine = False,
    as_json: AsJson = False,
) -> None:
    """Derive boxes from a reference mask, as an ideal or an imperfect annotator would draw them."""
    import numpy as np

    from crowdmask.core import boxes_file, simulate, tracks
    from crowdmask.core.metrics import labels_present

    if annotator not in list(simulate.Annotator):
        known = " or ".join(simulate.Annotator)
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"There is no annotator {annotator!r}; it is {known}.")
    if rule not in list(simulate.Rule):
        known = " or ".join(simulate.Rule)
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"There is no rule {rule!r}; it is {known}.")
    if annotator == simulate.Annotator.IDEAL and jitter_mm is not None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "The ideal annotator makes no errors, so --jitter-mm cannot be used.",
            hint="Leave it out, or choose --annotator crowd.",
        )
    inputs = [readable(path) for path in (reference, holes_of) if path is not None]
    check_output(output, *inputs)
    presence = _presence(holes_of, set(label)) if holes_of is not None else {}
    image = _read_labels(reference, assume_affine=assume_affine)
    present = labels_present(image.voxels)
    documents = {}
    for index in sorted(set(label)):
        if index not in present:
            held = ", ".join(str(value) for value in sorted(present)) or "none"
            raise InvalidInput(
                ErrorCode.LABEL_UNKNOWN, f"{reference} has no label {index}; the labels it holds: {held}."
            )
        documents[index] = simulate.simulate(
            image.voxels == index,
            annotator=simulate.Annotator(annotator),
            grid=image.grid,
            # Its own stream per label: the boxes of one do not depend on which others are asked for.
            rng=np.random.default_rng([seed, index]),
            jitter_mm=simulate.DEFAULT_JITTER_MM if jitter_mm is None else jitter_mm,
            rule=simulate.Rule(rule),
            loose_mm=loose_mm,
            one_box=one_box,
            presence=presence.get(index, ()),
            miss_inner=miss_inner,
            miss_ends=miss_ends,
            every=every,
        )
    with writing(output):
        boxes_file.write_boxes(output, boxes_file.BoxesFile(grid=image.grid, labels=documents))

    counts = {}
    for index, document in documents.items():
        boxes = tracks.boxes_by_slice(document)
        counts[str(index)] = {
            "slices": len(boxes),
            "boxes": sum(len(on_slice) for on_slice in boxes.values()),
            "tracks": len(document.tracks),
        }
    if as_json:
        print_json({"boxes_file": str(output.absolute()), "rule": rule, "labels": counts})
        return
    for name, count in counts.items():
        typer.echo(
            f"label {name}: slices {count['slices']}, boxes {count['boxes']}, tracks {count['tracks']}"
        )
    typer.echo(f"written to {output}")


def _presence(path: Path, labels: set[int]) -> dict[int, tuple[bool, ...]]:
    """By label, where the boxes of a file are, slice by slice."""
    from crowdmask.core.boxes_file import read_boxes
    from crowdmask.core.simulate import presence_of

    found = {index: presence_of(document) for index, document in read_boxes(path).labels.items()}
    boxed = sorted(index for index, presence in found.items() if presence)
    if missing := sorted(labels - set(boxed)):
        held = ", ".join(str(index) for index in boxed) or "none"
        raise InvalidInput(
            ErrorCode.LABEL_UNKNOWN,
            f"{path} has no box of label {missing[0]}; the labels it has boxes of: {held}.",
        )
    return found


def evaluate(
    predicted: Annotated[Path, typer.Argument(metavar="PRED.nii.gz", help="Label map to score.")],
    reference: Annotated[Path, typer.Argument(metavar="REF.nii.gz", help="Label map to score it against.")],
    assume_affine: AssumeAffine = False,
    as_json: AsJson = False,
) -> None:
    """Score a label map against a reference on the same grid, label by label (flipped axes are matched)."""
    from crowdmask.core import metrics
    from crowdmask.core.volume import check_same_grid

    made = _read_labels(predicted, assume_affine=assume_affine)
    expected = _read_labels(reference, assume_affine=assume_affine)
    check_same_grid(expected.grid, made.grid, image_name=str(reference), label_name=str(predicted))
    if made.source.orientation != expected.source.orientation:
        program.note("the two files store their axes differently; they were matched in space")
    scores = metrics.evaluate(made.voxels, expected.voxels, spacing=expected.grid.spacing)
    if as_json:
        print_json({"labels": {str(index): _scores_json(score) for index, score in scores.items()}})
    elif not scores:
        typer.echo("Neither file holds a label: there is nothing to score.")
    else:
        _print_scores(scores)


def _read_labels(path: Path, *, assume_affine: bool) -> "Image":
    """A label map from a file that the user named; what was accepted but is worth saying goes to stderr."""
    from crowdmask.core.nifti import read_label_map

    image = read_label_map(readable(path), assume_affine=assume_affine)
    for notice in image.notices:
        program.note(f"{path}: {notice.text}")
    return image


def _scores_json(score: "Scores") -> dict[str, float | None]:
    values = {
        "volume_dice": score.volume_dice,
        "slice_dice": score.slice_dice,
        "slice_dice_all": score.slice_dice_all,
        "hd95_mm": score.hd95_mm,
        "nsd_2mm": score.nsd_2mm,
        "coverage": score.coverage,
        "volume_error": score.volume_error,
    }
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _print_scores(scores: "dict[int, Scores]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    def shown(value: float, form: str = ".4f") -> str:
        return "-" if math.isnan(value) else format(value, form)

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption="slice Dice: slices with a prediction; all: slices of either mask\n"
        "HD95 in mm; NSD at 2 mm; coverage: share of the reference on slices with a prediction\n"
        "slices: with a prediction / with the reference",
        caption_justify="left",
    )
    for heading in ("label", "Dice", "slice Dice", "all", "HD95", "NSD", "coverage", "volume", "slices"):
        table.add_column(heading, justify="right")
    for index, score in scores.items():
        table.add_row(
            str(index),
            shown(score.volume_dice),
            shown(score.slice_dice),
            shown(score.slice_dice_all),
            shown(score.hd95_mm, ".1f"),
            shown(score.nsd_2mm),
            shown(score.coverage, ".1%"),
            shown(score.volume_error, "+.1%"),
            f"{score.slices_predicted}/{score.slices_reference}",
        )
    Console().print(table)
