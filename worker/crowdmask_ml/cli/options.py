"""What several commands of ``crowdmask-ml`` share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.console import Program

if TYPE_CHECKING:
    from crowdmask.core.slicepack import PackSummary
    from crowdmask.core.windowing import Window

program = Program("crowdmask-ml")

RuntimeOption = Annotated[
    str, typer.Option(help="What computes: auto (the fastest here), torch, openvino or onnx.")
]
VolumeIndexOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Which volume of a file that holds several.")
]
CheckpointOption = Annotated[
    Path | None, typer.Option(metavar="PATH", help="The model's weights, when not in their usual place.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep what is computed of each slice there, about 1.2 MB: work that was stopped goes on from it.",
    ),
]


def chosen_window(given: tuple[float, float] | None, summary: "PackSummary") -> "Window":
    """The window that was given, else the default of the volume."""
    from crowdmask.core.windowing import Window, default_window

    if given is not None:
        return Window(low=given[0], high=given[1])
    return default_window(
        finite_minimum=summary.finite_minimum,
        percentile_low=summary.percentile_low,
        percentile_high=summary.percentile_high,
    )


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error when that is a terminal, else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
