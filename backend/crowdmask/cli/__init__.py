"""The command line ``crowdmask``: each command is a thin layer over the library.

What a command needs is imported inside it, so that ``crowdmask --help`` is quick and the offline commands work
without the server's packages. How a command speaks and ends: ``console``.
"""

import typer

from crowdmask.cli import comparing, exporting, importing, offline, projects, reproducing, serving
from crowdmask.cli.options import program

app = typer.Typer(
    help="From bounding boxes to masks to nnU-Net datasets. For research use only; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(offline.simulate)
app.command()(offline.evaluate)
app.command()(comparing.compare)
app.command("import-boxes")(importing.import_boxes)
app.command("export-boxes")(exporting.export_boxes)
app.command()(reproducing.reproduce)
app.command()(serving.demo)
app.command()(serving.up)
app.command()(serving.serve)
app.command("sign-in-link")(serving.sign_in_link_)
app.command()(serving.migrate)
app.command("import")(projects.import_)
app.command()(projects.export)


def main() -> None:
    """Run the command line."""
    program.run(app)
