"""Starts child processes, watches them, and starts again those that end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

import structlog

from crowdmask.core.errors import ErrorCode, Unavailable

LIFELINE_FD = "CROWDMASK_LIFELINE_FD"
"""Names, for a child, the descriptor that ends (reads as end of file) when its supervisor is gone."""

_LOOK_S = 0.1
_LONGEST_WAIT_S = 30.0
_STEADY_S = 10.0  # a process that lived this long is no longer said to crash at the start
_TOO_OFTEN = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Command:
    """A program to keep running.

    Attributes:
        name: how the log calls it.
        arguments: program and arguments; no shell.
        environment: variables on top of ours.
        is_optional: whether nobody waits for its work, so that it may be away.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_optional: bool = False


@dataclass
class _Child:
    command: Command
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0


class Supervisor:
    """Keeps the commands running from the beginning of the ``with`` block to its end.

    A child that ends, whatever its exit code, is started again: at once if it had run steadily, else after 1, 2, 4,
    ... up to 30 seconds. At the end SIGTERM lets each finish or give back its work; who is still there after
    ``grace_s`` is killed. Each child leads its own process group, so a Ctrl-C at the terminal reaches only us.

    Each child inherits the reading end of a pipe whose writing end only we hold; ``LIFELINE_FD`` in its environment names
    it. Whatever way we go, also by SIGKILL, the pipe ends, and a child that watches it can end as well.

    Args:
        output: where the children write; by default our standard error, which is where the news of a program belongs.
    """

    def __init__(
        self, commands: Sequence[Command], *, grace_s: float = 20.0, output: IO[bytes] | None = None
    ) -> None:
        self._children = [_Child(command) for command in commands]
        self._grace_s = grace_s
        self._output = sys.stderr.fileno() if output is None else output.fileno()
        self._where = "What it wrote above" if output is None else str(output.name)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._lifeline = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
        for child in self._children:
            self._start(child)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """The process ids of those that run now, by the names of their commands."""
        return {
            child.command.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def check(self) -> None:
        """Say so when a child cannot be kept running; to be called again and again by who waits for its work.

        Raises:
            Unavailable: ``job_failed``, a child that is not optional ended three times in a row right after its start (or did
                not start).
        """
        for child in self._children:
            if child.command.is_optional:
                continue
            running = child.process is not None
            steady = running and time.monotonic() - child.started >= _STEADY_S
            if child.failures >= _TOO_OFTEN and not steady:
                raise Unavailable(
                    ErrorCode.JOB_FAILED,
                    f"The {child.command.name} ended {child.failures} times right after its start.",
                    hint=f"{self._where} says why.",
                )

    def stop(self) -> None:
        """End all children; returns when they are gone."""
        self._stopping.set()
        self._thread.join()
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        for process in running:
            try:
                process.wait(timeout=max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                log.warning("child_killed", pid=process.pid)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for end in self._lifeline:
            end.close()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            moment = time.monotonic()
            for child in self._children:
                if child.process is None:
                    if moment >= child.start_at:
                        self._start(child)
                elif (code := child.process.poll()) is not None:
                    self._note_end(child, code, moment)

    def _note_end(self, child: _Child, code: int, moment: float) -> None:
        steady = moment - child.started >= _STEADY_S
        child.failures = 0 if steady else child.failures + 1
        child.process = None
        self._start_later(child, moment)
        log.warning("child_ended", child=child.command.name, exit_code=code, failures=child.failures)

    def _start(self, child: _Child) -> None:
        lifeline = self._lifeline[0].fileno()
        child.started = time.monotonic()
        try:
            child.process = subprocess.Popen(
                child.command.arguments,
                env=os.environ | dict(child.command.environment) | {LIFELINE_FD: str(lifeline)},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                start_new_session=True,
                pass_fds=[lifeline],
            )
        except OSError as error:  # no memory or descriptor for now, or the program is being replaced
            child.failures += 1
            self._start_later(child, child.started)
            log.warning("child_not_started", child=child.command.name, error=type(error).__name__)

    @staticmethod
    def _start_later(child: _Child, moment: float) -> None:
        wait_s = min(2.0 ** (child.failures - 1), _LONGEST_WAIT_S) if child.failures else 0.0
        child.start_at = moment + wait_s
