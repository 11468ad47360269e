"""``crowdmask-ml bench``: the benchmarks of the engine, which come with the source code."""

import json
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crowdmask.console import AsJson, print_json
from crowdmask.core.errors import ErrorCode, InvalidInput

_TOP = Path(__file__).parents[3]


class Part(StrEnum):
    """What can be measured."""

    SPEED = "speed"
    PREVIEW = "preview"
    QUALITY = "quality"
    UNCERTAINTY = "uncertainty"


def bench(
    parts: Annotated[
        list[Part] | None,
        typer.Argument(metavar="[PART]...", help=f"{', '.join(Part)}; all when none is named."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Measure masks, speed, uncertainty and previews on the sample data; all four take about an hour on two cores."""
    program = _TOP / "bench" / "engine.py"
    if not program.is_file():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"The benchmarks come with the source code; there is no {program}.",
            hint="Clone the repository and run: make bench-engine.",
        )
    # A process computes on one thread unless something else was asked for.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(
        [sys.executable, program, *(parts or [])],
        env=environment,
        stdout=sys.stderr if as_json else None,
        check=False,
    )
    if done.returncode == 0 and as_json:
        print_json(json.loads((_TOP / "build" / "bench" / "engine.json").read_text(encoding="utf-8")))
    return done.returncode
