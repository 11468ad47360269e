"""The gate in a child process: a hostile file can exhaust the child's memory and time, never the server's.

The parent needs neither nibabel nor the voxels: the child reads the file through ``core.nifti`` under limits and
answers with one JSON document on its standard output (docs/faults.md, fault 5).
"""

import argparse
import json
import logging
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from crowdmask.core import errors
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.nifti_stream import name_for_people
from crowdmask.core.notices import Notice
from crowdmask.core.volume import Grid


class GateKind(StrEnum):
    """What the file has to be."""

    VOLUME = "volume"
    LABELS = "labels"


#: For a volume of the default size limit: its bytes, a canonical copy and room for the libraries.
DEFAULT_MEMORY_LIMIT = 8 * 2**30
DEFAULT_CPU_SECONDS = 300

#: Deaths that a limit causes: out of CPU time, killed, or an allocation that a library did not check.
_LIMIT_SIGNALS = frozenset({signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GateResult:
    """What the child found in a file that passed.

    Attributes:
        grid: canonical.
        notices: what was accepted but is worth saying.
        voxels_sha256: of canonical voxels and affine, see ``core.nifti.voxels_sha256``.
        label_values: of a label map, ascending, without the background 0; empty for a volume.
    """

    grid: Grid
    notices: tuple[Notice, ...]
    voxels_sha256: str
    label_values: tuple[int, ...]


def run_gate(
    path: Path,
    *,
    kind: GateKind,
    name: str | None = None,
    assume_affine: bool = False,
    volume_index: int | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    cpu_seconds: int = DEFAULT_CPU_SECONDS,
) -> GateResult:
    """Check a file in a child process and say what is in it.

    Args:
        path: of the file.
        kind: what it has to be.
        name: that people know the file by, where it is stored under another.
        assume_affine, volume_index: as ``core.nifti.read_volume``; a label map takes no ``volume_index``.
        memory_limit: bytes of address space the child may have.
        cpu_seconds: of processor time the child may use.

    Raises:
        CrowdmaskError: the one that the child met, same class, code, message and hint.
        InvalidInput: ``file_too_large`` when the child went over a limit.
    """
    path = Path(path).resolve()
    name = name_for_people(path, name)
    command = [sys.executable, "-m", "crowdmask.volumes.gate", str(path), f"--name={name}"]
    command += ["--kind", kind.value, "--memory-limit", str(memory_limit), "--cpu-seconds", str(cpu_seconds)]
    if assume_affine:
        command.append("--assume-affine")
    if volume_index is not None:
        command += ["--volume-index", str(volume_index)]
    # Threads of the linear algebra library would only take address space.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if child.returncode < 0 and -child.returncode in _LIMIT_SIGNALS:
        raise _over_limit(name, memory_limit, cpu_seconds)
    if child.returncode != 0:
        # Logs name no files: the name may be a patient's.
        said = child.stderr[-2000:].replace(str(path), "[withheld]")
        said = said.replace(name, "[withheld]") if name else said
        _log.error("the gate's child process ended with %d: %s", child.returncode, said)
        raise CrowdmaskError(
            ErrorCode.INTERNAL, f"The check of {name or 'the file'} failed for a reason of our own."
        )
    answer = json.loads(child.stdout)
    if "error" in answer:
        raise _error_from(answer["error"])
    return GateResult(
        grid=Grid.from_json(answer["grid"]),
        notices=tuple(Notice.from_json(notice) for notice in answer["notices"]),
        voxels_sha256=answer["voxels_sha256"],
        label_values=tuple(answer["label_values"]),
    )


def main(arguments: list[str] | None = None) -> None:
    """The child: set the limits, read the file, print the answer."""
    parser = argparse.ArgumentParser(prog="crowdmask.volumes.gate")
    parser.add_argument("path", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--kind", type=GateKind, required=True)
    parser.add_argument("--memory-limit", type=int, required=True)
    parser.add_argument("--cpu-seconds", type=int, required=True)
    parser.add_argument("--volume-index", type=int)
    parser.add_argument("--assume-affine", action="store_true")
    options = parser.parse_args(arguments)
    _limit(resource.RLIMIT_AS, options.memory_limit)
    _limit(resource.RLIMIT_CPU, options.cpu_seconds)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        answer = _check(options)
    except CrowdmaskError as error:
        answer = {"error": _error_to(error)}
    except MemoryError:
        answer = {"error": _error_to(_over_limit(options.name, options.memory_limit, options.cpu_seconds))}
    sys.stdout.write(json.dumps(answer))


def _limit(which: int, value: int) -> None:
    """Lower a limit of this process; where the caller already has a lower one, that one stays."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _check(options: argparse.Namespace) -> dict[str, Any]:
    # Imported here: the parent imports this module too and must not load nibabel.
    from crowdmask.core.label_values import distinct_values, label_map_notice
    from crowdmask.core.nifti import read_label_map, read_volume, voxels_sha256

    values: tuple[int, ...] = ()
    notices: list[Notice] = []
    if options.kind is GateKind.LABELS:
        image = read_label_map(options.path, assume_affine=options.assume_affine, name=options.name)
        values = tuple(value for value in distinct_values(image.voxels) if value != 0)
    else:
        image = read_volume(
            options.path,
            assume_affine=options.assume_affine,
            volume_index=options.volume_index,
            name=options.name,
        )
        notices += [notice] if (notice := label_map_notice(image.voxels)) is not None else []
    return {
        "grid": image.grid.to_json(),
        "notices": [notice.to_json() for notice in (*image.notices, *notices)],
        "voxels_sha256": voxels_sha256(image),
        "label_values": values,
    }


def _over_limit(name: str, memory_limit: int, cpu_seconds: int) -> InvalidInput:
    return InvalidInput(
        ErrorCode.FILE_TOO_LARGE,
        f"{name or 'The file'} needs more than {memory_limit / 2**30:.3g} GB of memory or {cpu_seconds} s to check.",
        hint="Crop or resample the volume.",
    )


def _error_to(error: CrowdmaskError) -> dict[str, str]:
    return {
        "class": type(error).__name__,
        "code": error.code.value,
        "message": error.message,
        "hint": error.hint,
    }


def _error_from(document: dict[str, str]) -> CrowdmaskError:
    kind = getattr(errors, document["class"])
    error: CrowdmaskError = kind(ErrorCode(document["code"]), document["message"], hint=document["hint"])
    return error


if __name__ == "__main__":
    main()
