"""One of nnU-Net's own commands as a child process that cannot outlive us.

    python -m crowdmask_ml.nnunet.command nnUNetv2_predict -d 501 -c 2d ...

The child gives nnU-Net our trainer, then runs the command's own entry point with the arguments that follow. Its
environment may name the reading end of a pipe whose writing end only the parent holds: when that ends, the parent is
gone, however it went, and the child ends with all the processes that nnU-Net has started.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from multiprocessing.context import SpawnContext
from multiprocessing.pool import Pool, ThreadPool
from pathlib import Path
from typing import Any

from crowdmask.core.errors import Corrupt, ErrorCode

TRAINER = "CrowdmaskTrainer"
"""How nnU-Net calls our trainer (``crowdmask_ml.nnunet.trainer``), also in the names of its folders."""

# What our trainer is told, by its environment.
EPOCHS = "crowdmask_nnunet_epochs"
ITERATIONS = "crowdmask_nnunet_iterations"
VALIDATION_ITERATIONS = "crowdmask_nnunet_validation_iterations"
MIRRORING = "crowdmask_nnunet_mirroring"
PICTURE = "crowdmask_nnunet_picture"
THREADS = "crowdmask_nnunet_threads"

_LIFELINE = "crowdmask_nnunet_lifeline"
_LOOK_S = 0.2
_TAIL_BYTES = 16_000
_LONGEST_REASON = 300


def run_command(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    look: Callable[[], None],
) -> None:
    """Run a command of nnU-Net to its end; what it prints is added to the file ``log``.

    Args:
        arguments: the command's name and what follows it.
        environment: variables on top of ours.
        look: called several times a second; what it raises ends the command and all its processes, and is passed on.

    Raises:
        Corrupt: ``training_failed`` when the command ends with an error, with the last that it said.
        RuntimeError: when it was killed, as by a system that is out of memory: trying again may help.
    """
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "crowdmask_ml.nnunet.command", *arguments],
                env=os.environ | dict(environment) | {_LIFELINE: str(reading)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[reading],
            )
        try:
            while (code := _ended(child)) is None:
                look()
        finally:
            _end_all(child)
    finally:
        os.close(reading)
        os.close(writing)
    if code < 0:
        raise RuntimeError(f"{arguments[0]} was ended by signal {-code}")
    if code > 0:
        raise Corrupt(
            ErrorCode.TRAINING_FAILED,
            f"{arguments[0]} ended with {code}: {_reason(log)}",
            hint="The step's log says more; after the cause is removed the training goes on where it was.",
        )


def log_tail(log: Path, characters: int = _TAIL_BYTES) -> str:
    """The end of what was printed, from the beginning of a line; a line that was drawn over counts as it was last."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - characters))
        text = file.read().decode(errors="replace")
    if size > characters:
        text = text.partition("\n")[2]
    # NUL is the one character that PostgreSQL takes in no text.
    lines = [line.rstrip("\r").rpartition("\r")[2].replace("\0", "").rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def _ended(child: "subprocess.Popen[bytes]") -> int | None:
    try:
        return child.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _end_all(child: "subprocess.Popen[bytes]") -> None:
    """End the child, if it runs, and whatever it has started: they are one process group, led by the child."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all of them are gone, and the child was waited for
    child.wait()


def _reason(log: Path) -> str:
    lines = [line for line in log_tail(log, 4000).splitlines() if line.strip()]
    return " ".join(lines[-1].split())[:_LONGEST_REASON] if lines else "it said nothing"


def _end_with_parent(reading: int) -> None:
    os.read(reading, 1)  # nobody writes: this returns when the writing end is closed
    os.killpg(os.getpgrp(), signal.SIGKILL)


def one_process_is_a_thread() -> None:
    """Have what nnU-Net gives to a pool of one process done by a thread of this one.

    A new process loads torch and nnU-Net again, which takes longer than all that it does for a small dataset.
    """
    pool_of_processes = SpawnContext.Pool

    def pool(context: SpawnContext, processes: int | None = None, *arguments: Any, **further: Any) -> Pool:
        if processes == 1:
            return ThreadPool(1, *arguments, **further)
        return pool_of_processes(context, processes, *arguments, **further)

    SpawnContext.Pool = pool  # type: ignore[assignment]  # this process does nothing else


def main() -> None:
    name, *arguments = sys.argv[1:]
    lifeline = os.environ.pop(_LIFELINE, None)  # not for the processes that nnU-Net starts
    if lifeline is not None:
        threading.Thread(target=_end_with_parent, args=(int(lifeline),), daemon=True).start()

    from crowdmask_ml.nnunet.trainer import keep_threads, register, with_device

    register()
    keep_threads()
    one_process_is_a_thread()
    (command,) = entry_points(group="console_scripts", name=name)
    sys.argv = [name, *with_device(arguments)]
    command.load()()


if __name__ == "__main__":
    main()
