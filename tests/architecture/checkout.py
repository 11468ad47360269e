"""Where things are in the checkout, for the tests of this folder."""

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
PACKAGES = {
    "crowdmask": TOP / "backend" / "crowdmask",
    "crowdmask_ml": TOP / "worker" / "crowdmask_ml",
    "crowdmask_worker": TOP / "worker" / "crowdmask_worker",
}


def modules() -> list[Path]:
    """Every Python module of the three packages."""
    return sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))


def pyproject() -> dict[str, Any]:
    return tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def tracked_files() -> tuple[Path, ...]:
    """What a clone would hold: tracked files and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return tuple(TOP / name for name in listed if name and (TOP / name).is_file())
