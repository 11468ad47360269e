"""``crowdmask-ml models ..``: which models there are and where their weights belong."""

import typer

from crowdmask.console import AsJson, print_json


def list_models(as_json: AsJson = False) -> None:
    """List the models, where their weights belong and whether they are there (not whether they are intact)."""
    from crowdmask_ml.registry import DEFAULT_MODEL, MODELS

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
            "checkpoint": str(place) if (place := spec.usual_place()) is not None else None,
            "present": spec.is_present(),
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
        typer.echo(f"    weights {row['checkpoint'] or 'inside the package'}")
        typer.echo(f"    from {row['source']}")
        typer.echo(f"    sha256 {row['sha256']}")
