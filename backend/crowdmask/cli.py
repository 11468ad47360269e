"""The command line ``crowdmask``: each command is a thin layer over the library.

What a command needs is imported inside it, so that ``crowdmask --help`` is quick and the offline commands work
without the server's packages. How a command speaks and ends: ``console``.
"""

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.console import AsJson, AssumeAffine, Program, check_output, print_json, readable, writing
from crowdmask.core.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from crowdmask.core.metrics import Scores
    from crowdmask.core.nifti import Image
    from crowdmask.embedded import VolumeFiles
    from crowdmask.infra.settings import Settings

program = Program("crowdmask")
app = typer.Typer(
    help="From bounding boxes to masks to nnU-Net datasets. For research use only; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _crowdmask() -> None:
    """Makes the commands sub-commands, also while there is only one."""


@app.command()
def simulate(
    reference: Annotated[Path, typer.Argument(metavar="REF.nii.gz", help="Label map to derive boxes from.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BOXES.json", help="Boxes file to write.")
    ],
    label: Annotated[list[int], typer.Option(help="Integer of the label; may be given several times.")],
    annotator: Annotated[
        str,
        typer.Option(help="ideal: the paper's boxes; crowd: the same with an error on each edge."),
    ] = "ideal",
    jitter_mm: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the crowd's error, in mm; default: 2.3."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the crowd's errors.")] = 0,
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
    if annotator == simulate.Annotator.IDEAL and jitter_mm is not None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "The ideal annotator makes no errors, so --jitter-mm cannot be used.",
            hint="Leave it out, or choose --annotator crowd.",
        )
    readable(reference)
    check_output(output, reference)
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
        print_json({"boxes_file": str(output.absolute()), "labels": counts})
        return
    for name, count in counts.items():
        typer.echo(
            f"label {name}: slices {count['slices']}, boxes {count['boxes']}, tracks {count['tracks']}"
        )
    typer.echo(f"written to {output}")


@app.command()
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
    scores = metrics.evaluate(made.voxels, expected.voxels)
    if as_json:
        print_json({"labels": {str(index): _scores_json(score) for index, score in scores.items()}})
    elif not scores:
        typer.echo("Neither file holds a label: there is nothing to score.")
    else:
        _print_scores(scores)


DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Data folder; default: CROWDMASK_DATA_DIR or ./crowdmask-data."
    ),
]
ReferenceOriginOption = Annotated[
    str,
    typer.Option(
        metavar="ORIGIN", help="Where the reference comes from: expert, model, generated or unknown."
    ),
]


PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port of the server; default: 8000, or one of the next if it is in use."
    ),
]
PublicUrlOption = Annotated[
    str | None,
    typer.Option(metavar="https://..", help="Where people reach the server, through a proxy with https."),
]
VolumeIndexOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Which volume of a file that holds several.")
]


@app.command()
def demo(
    volume: Annotated[
        Path | None, typer.Option(metavar="CT.nii.gz", help="Default: a generated phantom.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="LABELS.nii.gz", help="Its labels 1 to 5; needed with --volume.")
    ] = None,
    reference_origin: ReferenceOriginOption = "unknown",
    assume_affine: AssumeAffine = False,
    volume_index: VolumeIndexOption = None,
    data: DataFolder = None,
    port: PortOption = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after the table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the main job: a volume in, simulated annotators box it, masks and an nnU-Net dataset out; then serve it."""
    from crowdmask.demo import check_files, print_result, run_demo, your_turn
    from crowdmask.embedded import serving

    if (volume is None) != (reference is None):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "The demo needs a volume and its reference together: the simulated annotators box what the reference holds.",
            hint="Give both --volume and --reference, or neither.",
        )
    files = None
    if volume is not None:
        files = _volume_files(
            volume, reference, reference_origin, assume_affine=assume_affine, volume_index=volume_index
        )
        check_files(files)
    console = _news()
    settings = _settings(data, port=port)
    console.print(f"Data folder: {settings.data_dir}")
    with serving(settings, exactly=port is not None) as platform:
        result = run_demo(platform, files, console)
        if as_json:
            print_json(result.to_json())
        else:
            print_result(result)
        if no_serve:
            return
        links = your_turn(platform, files, console)
        _invite_to_look(
            console, platform.settings.base_url, {"admin": links.admin, "annotator": links.annotator}
        )
        _wait_until_stopped()


@app.command()
def up(
    data: DataFolder = None,
    port: PortOption = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Start everything on one computer: the server and its worker, on a data folder that is made when needed."""
    from crowdmask.accounts.service import local_operator
    from crowdmask.embedded import serving, sign_in_link

    console = _news()
    settings = _settings(data, port=port, public_url=public_url)
    console.print(f"Data folder: {settings.data_dir}")
    with serving(settings, exactly=port is not None) as platform:
        with platform.database.write() as session:
            link = sign_in_link(platform, session, local_operator(session).account_id)
        _invite_to_look(console, platform.settings.base_url, {"admin": link})
        _wait_until_stopped()


@app.command()
def serve(
    data: DataFolder = None,
    port: PortOption = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Start the server alone, where workers run by themselves and the database is migrated already."""
    from crowdmask.embedded import serving_alone

    with serving_alone(_settings(data, port=port, public_url=public_url)) as platform:
        _news().print(f"Crowdmask runs at {platform.settings.base_url}", soft_wrap=True)
        _wait_until_stopped()


@app.command("sign-in-link")
def sign_in_link_(
    data: DataFolder = None,
    public_url: PublicUrlOption = None,
) -> None:
    """Print an address that signs the first admin in, once: for the first start, and when a password is lost."""
    from crowdmask.accounts.service import local_operator
    from crowdmask.embedded import prepared, sign_in_link

    with prepared(_settings(data, public_url=public_url)) as platform, platform.database.write() as session:
        typer.echo(sign_in_link(platform, session, local_operator(session).account_id))


@app.command()
def migrate(data: DataFolder = None) -> None:
    """Create the database, or bring it to the schema of this version. May be run again."""
    from crowdmask.embedded import prepared

    with prepared(_settings(data)) as platform:
        url = platform.database.engine.url.render_as_string(hide_password=True)
        typer.echo(f"The database is up to date: {url}")


@app.command("import")
def import_(
    volume: Annotated[Path, typer.Argument(metavar="VOLUME.nii.gz", help="The image.")],
    project: Annotated[str, typer.Option(metavar="NAME", help="Project; created when it does not exist.")],
    labels: Annotated[
        str,
        typer.Option(
            metavar="A,B,..", help="Labels of a new project, in the order of their integers from 1."
        ),
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the volume; default: its file's name.")] = "",
    reference: Annotated[
        Path | None, typer.Option(metavar="LABELS.nii.gz", help="Its reference mask.")
    ] = None,
    reference_origin: ReferenceOriginOption = "unknown",
    assume_affine: AssumeAffine = False,
    volume_index: VolumeIndexOption = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Import a volume, and the reference that came with it, into a project, with a task for each label."""
    from crowdmask.embedded import import_into_project, running

    files = _volume_files(
        volume, reference, reference_origin, name=name, assume_affine=assume_affine, volume_index=volume_index
    )
    with running(_settings(data)) as platform:
        stored, tasks = import_into_project(
            platform,
            project_name=project,
            label_names=[label for label in labels.split(",") if label.strip()],
            files=files,
            console=_news(),
        )
    for notice in stored.notices:
        program.note(notice["text"])
    if as_json:
        print_json(
            {"volume": str(stored.id), "name": stored.name, "state": stored.state.value, "tasks": tasks}
        )
    else:
        typer.echo(f"{stored.name}: {stored.state.value}, {tasks} tasks")


@app.command()
def export(
    project: Annotated[str, typer.Option(metavar="NAME", help="Project to export.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Also copy the dataset into this folder."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name after DatasetNNN_; default: the project's.")] = "",
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what is finished as an nnU-Net v2 dataset with a manifest."""
    from crowdmask.embedded import copy_dataset, export_project, running

    with running(_settings(data)) as platform:
        folder = export_project(platform, project_name=project, dataset_name=name, console=_news())
    if output is not None:
        with writing(output):
            folder = copy_dataset(folder, output)
    if as_json:
        print_json({"export": str(folder)})
    else:
        typer.echo(f"written to {folder}")


def _settings(data: Path | None, **changes: object) -> "Settings":
    """The settings of a data folder that can be used; a wrong variable of the environment is refused like any other input.

    ``changes`` outrank the environment where they are not None.
    """
    from crowdmask.infra.logs import set_up_logs
    from crowdmask.infra.settings import load_settings

    settings = load_settings(data, **{name: value for name, value in changes.items() if value is not None})
    _check_data_folder(settings)
    _check_database_url(settings.database_url)
    set_up_logs(log_format=settings.log_format, level=settings.log_level)
    return settings


def _check_data_folder(settings: "Settings") -> None:
    folder = settings.data_dir
    try:
        settings.make_folders()
    except OSError as error:
        file_there = isinstance(error, FileExistsError)
        reason = f"{error.filename} is not a folder" if file_there else error.strerror or error
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{folder} cannot be used as the data folder: {reason}."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{folder} cannot be used as the data folder: it may not be changed."
        )


def _check_database_url(url: str) -> None:
    """Whether SQLAlchemy can use the address at all; nothing is connected. The address may hold a password."""
    import sqlalchemy as sa

    try:
        sa.create_engine(url)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        reason = f"there is no driver for it ({error})"
    except (sa.exc.ArgumentError, ValueError):
        reason = "it is not an address of the form dialect+driver://user:password@host:port/database"
    else:
        return
    raise InvalidInput(ErrorCode.OPTION_INVALID, f"CROWDMASK_DATABASE_URL cannot be used: {reason}.")


def _volume_files(
    volume: Path,
    reference: Path | None,
    reference_origin: str,
    *,
    name: str = "",
    assume_affine: bool = False,
    volume_index: int | None = None,
) -> "VolumeFiles":
    from crowdmask.embedded import VolumeFiles
    from crowdmask.models import ReferenceOrigin

    if reference_origin not in list(ReferenceOrigin):
        known = ", ".join(ReferenceOrigin)
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"There is no origin {reference_origin!r}; there are {known}."
        )
    return VolumeFiles(
        name=name or volume.name.removesuffix(".gz").removesuffix(".nii"),
        volume=readable(volume),
        reference=None if reference is None else readable(reference),
        origin=ReferenceOrigin(reference_origin),
        assume_affine=assume_affine,
        volume_index=volume_index,
    )


def _invite_to_look(console: "Console", url: str, links: dict[str, str]) -> None:
    """The addresses as text and as QR codes: a phone in the same room can be the annotator's device."""
    import io

    import segno

    console.print(
        f"\nCrowdmask runs at {url} (Ctrl-C ends it). Each of these links signs in once:", soft_wrap=True
    )
    for who, link in links.items():
        console.print(f"\n  {who}: {link}", soft_wrap=True)
        code = io.StringIO()
        segno.make(link, micro=False).terminal(code, border=2, compact=True)
        console.file.write(code.getvalue())


def _wait_until_stopped() -> None:
    import threading

    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _news() -> "Console":
    """Where progress is told: standard error, so that standard output holds the result alone."""
    from rich.console import Console

    return Console(stderr=True, markup=False)


def main() -> None:
    """Run the command line."""
    program.run(app)


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
    }
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _print_scores(scores: "dict[int, Scores]") -> None:
    from rich.console import Console
    from rich.table import Table

    def shown(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.4f}"

    table = Table(
        caption="slice Dice: slices with a prediction; all: slices of either mask", caption_justify="left"
    )
    for heading in ("label", "volume Dice", "slice Dice", "slice Dice, all", "slices", "reference slices"):
        table.add_column(heading, justify="right")
    for index, score in scores.items():
        table.add_row(
            str(index),
            shown(score.volume_dice),
            shown(score.slice_dice),
            shown(score.slice_dice_all),
            str(score.slices_predicted),
            str(score.slices_reference),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
