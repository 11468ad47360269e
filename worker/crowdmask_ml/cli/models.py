"""``crowdmask-ml models ..``: which models there are, whether their weights are right, and where to get them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crowdmask.console import FAILED, AsJson, print_json

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A name of `models list`.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]...", help="Names of `models list`; none: all whose weights are there."),
]


def list_models(as_json: AsJson = False) -> None:
    """List the models, where their weights belong and whether they are there (not whether they are intact)."""
    from crowdmask_ml.registry import DEFAULT_MODEL, MODELS
    from crowdmask_ml.runtimes.exported import usual_folder

    rows = [
        {
            "name": spec.name,
            "default": spec.name == DEFAULT_MODEL,
            "input_size": spec.input_size,
            "preprocessing": spec.preprocessing.value,
            "mask_rule": spec.mask_rule.value,
            "licence": spec.licence,
            "sha256": spec.sha256,
            "source": spec.source,
            "url": spec.url,
            "checkpoint": str(place) if (place := spec.usual_place()) is not None else None,
            "present": spec.is_present(),
            "exported": str(usual_folder(spec.sha256)),
            "exported_present": usual_folder(spec.sha256).is_dir(),
        }
        for spec in MODELS.values()
    ]
    if as_json:
        print_json({"models": rows})
        return
    for row in rows:
        presence = "present" if row["present"] else "missing"
        mark = " (default)" if row["default"] else ""
        typer.echo(f"{row['name']}{mark}: {presence}")
        typer.echo(
            f"    input {row['input_size']} px, {row['preprocessing']}, {row['mask_rule']}, {row['licence']}"
        )
        typer.echo(f"    weights {row['checkpoint'] or 'inside a package that is not installed'}")
        typer.echo(f"    from {row['source']}")
        typer.echo(f"    sha256 {row['sha256']}")
        if row["exported_present"]:
            typer.echo(f"    exported for OpenVINO and ONNX Runtime: {row['exported']}")


def verify(
    names: Names = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="Whether it can be used here on auto, torch, openvino or onnx as well."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check the weights by their sha256, and the exported files; exit code 1 when one is missing or wrong."""
    from crowdmask.core.errors import Corrupt, Unavailable
    from crowdmask_ml.loading import check_present, verify_checkpoint
    from crowdmask_ml.registry import MODELS, find_model
    from crowdmask_ml.runtimes.exported import open_exported, usual_folder

    asked = [find_model(name) for name in names] if names else [m for m in MODELS.values() if m.is_present()]
    rows: list[dict[str, object]] = []
    for spec in asked:
        message = ""
        try:
            verify_checkpoint(spec)
            state = "ok"
        except (Unavailable, Corrupt) as error:
            state, message = ("missing" if isinstance(error, Unavailable) else "wrong"), str(error)
        try:
            found = open_exported(usual_folder(spec.sha256), model=spec.name, model_hash=spec.sha256)
            exported = "missing" if found is None else "ok"
        except Corrupt as error:
            exported, message = "wrong", f"{message} {error}".strip()
        row: dict[str, object] = {"name": spec.name, "weights": state, "exported": exported}
        if runtime is not None:
            try:
                check_present(spec.name, runtime=runtime)
                row["runtime"] = "ok"
            except (Unavailable, Corrupt) as error:
                row["runtime"] = "missing"
                message = message if str(error) in message else f"{message} {error}".strip()
        rows.append({**row, "message": message})
    if as_json:
        print_json({"models": rows})
    else:
        for row in rows:
            on_runtime = f", runtime {runtime} {row['runtime']}" if runtime is not None else ""
            typer.echo(
                f"{row['name']}: weights {row['weights']}, exported files {row['exported']}{on_runtime}"
            )
            if row["message"]:
                typer.echo(f"    {row['message']}")
    # Without its weights a model works from its exported files; without those from its weights.
    good = all(
        "ok" in (row["weights"], row["exported"])
        and "wrong" not in row.values()
        and row.get("runtime", "ok") == "ok"
        for row in rows
    )
    return 0 if good else FAILED


def download(name: Name, as_json: AsJson = False) -> None:
    """Get a model's weights from their official source into the models folder; checked before they are put there."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from crowdmask_ml.loading import download_checkpoint
    from crowdmask_ml.registry import find_model

    spec = find_model(name)
    console = Console(stderr=True)
    with Progress(
        *Progress.get_default_columns(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(spec.name, total=None)
        path = download_checkpoint(spec, lambda came, total: bar.update(task, completed=came, total=total))
    if as_json:
        print_json({"name": spec.name, "checkpoint": str(path), "sha256": spec.sha256})
    else:
        typer.echo(f"{spec.name}: {path}")


def export(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A folder for these files alone; without it, inside the models folder."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The weights, when not in their usual place.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the files with which the model runs on OpenVINO or ONNX Runtime, without torch."""
    from crowdmask_ml.loading import export_files
    from crowdmask_ml.registry import find_model

    files = export_files(find_model(name), checkpoint, out)
    if as_json:
        print_json({"name": name, "folder": str(files.folder), "model_sha256": files.model_hash})
    else:
        typer.echo(f"{name}: {files.folder}")
