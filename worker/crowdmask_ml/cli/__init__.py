"""The command line ``crowdmask-ml``: a thin layer over the library, without a server or a database.

What a command needs is imported inside it, so that ``crowdmask-ml models list`` is instant. How a command speaks and
ends: ``crowdmask.console``.
"""

import typer

from crowdmask_ml.cli import bench, models, segmenting, uncertainty
from crowdmask_ml.cli.options import program

app = typer.Typer(
    help="Masks from bounding boxes. For research use only; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(segmenting.segment)
app.command()(uncertainty.uncertainty)
app.command()(bench.bench)

models_app = typer.Typer(help="The models that can be used.", no_args_is_help=True)
models_app.command("list")(models.list_models)
models_app.command()(models.verify)
models_app.command()(models.download)
models_app.command()(models.export)
app.add_typer(models_app, name="models")


def main() -> None:
    """Run the command line."""
    program.run(app)
