"""On what a benchmark ran: every table is printed and kept with it."""

import contextlib
import os
import platform
from importlib.metadata import version
from pathlib import Path


def conditions(*packages: str) -> dict[str, object]:
    """The machine, its load just now, Python, and the versions of ``packages``."""
    processor = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return {
        "machine": platform.machine(),
        "processor": processor,
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
