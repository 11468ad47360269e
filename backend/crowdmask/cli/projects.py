"""The commands that put volumes into a project and take datasets out of it, without a browser."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from crowdmask.cli.options import (
    DataFolder,
    ReferenceOriginOption,
    VolumeIndexOption,
    checked_settings,
    news,
    program,
    volume_files,
)
from crowdmask.console import AsJson, AssumeAffine, print_json, writing
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.errors import ErrorCode, InvalidInput


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
    from crowdmask.embedded import running
    from crowdmask.local_projects import import_into_project

    files = volume_files(
        volume, reference, reference_origin, name=name, assume_affine=assume_affine, volume_index=volume_index
    )
    with running(checked_settings(data)) as platform:
        stored, tasks = import_into_project(
            platform,
            project_name=project,
            label_names=[label for label in labels.split(",") if label.strip()],
            files=files,
            console=news(),
        )
    for notice in stored.notices:
        program.note(notice["text"])
    if as_json:
        print_json(
            {"volume": str(stored.id), "name": stored.name, "state": stored.state.value, "tasks": tasks}
        )
    else:
        typer.echo(f"{stored.name}: {stored.state.value}, {tasks} tasks")


def export(
    project: Annotated[str, typer.Option(metavar="NAME", help="Project to export.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|s3://..",
            help="Also copy the dataset into this folder or object store.",
        ),
    ] = None,
    choice: Annotated[
        Path | None,
        typer.Option(metavar="CHOICE.json", help="What goes in: the choice of a manifest, or fields of it."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name after DatasetNNN_; default: the project's.")] = "",
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what is finished as an nnU-Net v2 dataset with a manifest."""
    from crowdmask.embedded import running
    from crowdmask.exports.selection import MANIFEST_NAME
    from crowdmask.infra.object_store import upload_folder
    from crowdmask.local_projects import copy_dataset, export_project

    chosen = DatasetChoice() if choice is None else read_choice(choice)
    with running(checked_settings(data)) as platform:
        folder = export_project(
            platform, project_name=project, dataset_name=name, choice=chosen, console=news()
        )
    written = str(folder)
    if output is not None and "://" in output:
        written = upload_folder(folder, output, last=MANIFEST_NAME)
    elif output is not None:
        with writing(Path(output)):
            written = str(copy_dataset(folder, Path(output)))
    if as_json:
        print_json({"export": written})
    else:
        typer.echo(f"written to {written}")


def read_choice(path: Path) -> DatasetChoice:
    """A choice from a JSON file.

    Raises:
        InvalidInput: ``option_invalid``, naming what is wrong.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"{path.name} is no JSON file: {error}.") from error
    known = {entry.name for entry in fields(DatasetChoice)}
    unknown = sorted(set(document) - known) if isinstance(document, dict) else ["no JSON object"]
    if unknown:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{path.name} holds {unknown[0]!r}, which no choice has.",
            hint=f"A choice has: {', '.join(sorted(known))}.",
        )
    try:
        return DatasetChoice.from_json(document)
    except (TypeError, ValueError) as error:
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"{path.name} is no choice: {error}.") from error
