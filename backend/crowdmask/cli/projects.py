"""The commands that put volumes into a project and take datasets out of it, without a browser."""

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
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Also copy the dataset into this folder."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name after DatasetNNN_; default: the project's.")] = "",
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what is finished as an nnU-Net v2 dataset with a manifest."""
    from crowdmask.embedded import copy_dataset, export_project, running

    with running(checked_settings(data)) as platform:
        folder = export_project(platform, project_name=project, dataset_name=name, console=news())
    if output is not None:
        with writing(output):
            folder = copy_dataset(folder, output)
    if as_json:
        print_json({"export": str(folder)})
    else:
        typer.echo(f"written to {folder}")
