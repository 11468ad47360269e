"""The supervisor: keeps its commands running and ends them when it ends."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crowdmask import supervise
from crowdmask.core.errors import ErrorCode, Unavailable
from crowdmask.supervise import Command, Supervisor
from tests.waiting import PATIENCE_S, eventually

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"


def python(name: str, program: str, **environment: str) -> Command:
    return Command(name, [sys.executable, "-c", program], environment)


def wait_for_an_error(supervisor: Supervisor) -> None:
    """Ask it again and again, as commands do, until it raises."""

    def goes_on_well() -> bool:
        supervisor.check()
        return True

    eventually(lambda: not goes_on_well(), "an error")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_runs_its_commands_and_ends_them_with_itself() -> None:
    with Supervisor([python("a", SLEEP), python("b", SLEEP)]) as supervisor:
        pids = supervisor.pids()
        assert sorted(pids) == ["a", "b"]
        assert all(is_alive(pid) for pid in pids.values())
    assert not any(is_alive(pid) for pid in pids.values())


def test_a_command_that_was_killed_is_started_again() -> None:
    with Supervisor([python("a", SLEEP)]) as supervisor:
        first = supervisor.pids()["a"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: supervisor.pids().get("a", first) != first, "a new process")


def test_a_command_that_ends_at_once_is_started_ever_less_often(tmp_path: Path) -> None:
    note = tmp_path / "starts"
    program = f"open({str(note)!r}, 'a').write('x')"
    with Supervisor([python("a", program)]):
        eventually(lambda: note.is_file() and len(note.read_text()) >= 3, "three starts")
    assert len(note.read_text()) < 8


def test_a_command_that_always_ends_at_once_is_said_to_whoever_waits_for_it(tmp_path: Path) -> None:
    with (tmp_path / "worker.log").open("wb") as output:
        with Supervisor([python("worker", "raise SystemExit(3)")], output=output) as supervisor:
            supervisor.check()
            with pytest.raises(Unavailable) as said:
                wait_for_an_error(supervisor)
        assert said.value.code is ErrorCode.JOB_FAILED
        assert said.value.message == "The worker ended 3 times right after its start."
        assert str(tmp_path / "worker.log") in said.value.hint
        with Supervisor([python("worker", SLEEP)], output=output) as supervisor:
            os.kill(supervisor.pids()["worker"], signal.SIGKILL)
            eventually(lambda: "worker" not in supervisor.pids(), "its end is seen")
            supervisor.check()  # one accident is none of our caller's business


def test_an_optional_command_that_ends_is_started_again_and_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "_TOO_OFTEN", 1)
    note = tmp_path / "starts"
    command = python("preview", f"open({str(note)!r}, 'a').write('x')")
    with Supervisor([replace(command, is_optional=True)]) as supervisor:
        eventually(lambda: note.is_file() and len(note.read_text()) >= 2, "two starts")
        supervisor.check()
    with Supervisor([command]) as supervisor, pytest.raises(Unavailable):
        wait_for_an_error(supervisor)


def test_a_program_that_is_not_there_is_tried_again_until_it_is(tmp_path: Path) -> None:
    program = tmp_path / "program"
    with Supervisor([Command("a", [str(program)]), python("b", SLEEP)]) as supervisor:
        assert sorted(supervisor.pids()) == ["b"]
        program.write_text("#!/bin/sh\nexec sleep 600\n")
        program.chmod(0o755)
        eventually(lambda: sorted(supervisor.pids()) == ["a", "b"], "the program runs")


def test_a_program_that_never_starts_is_said_too(tmp_path: Path) -> None:
    with Supervisor([Command("a", [str(tmp_path / "nothing")])]) as supervisor, pytest.raises(Unavailable):
        wait_for_an_error(supervisor)


def test_one_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    path = tmp_path / "output"
    with (
        path.open("wb") as output,
        Supervisor([python("a", STUBBORN)], grace_s=0.2, output=output) as supervisor,
    ):
        pid = supervisor.pids()["a"]
        eventually(lambda: path.read_text() == "on\n", "the process ignores SIGTERM")
    assert not is_alive(pid)


def test_a_command_gets_its_own_variables_on_top_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "output"
    program = (
        "import os, time; print(os.environ['COLOUR'], 'PATH' in os.environ, flush=True); time.sleep(600)"
    )
    with path.open("wb") as output, Supervisor([python("a", program, COLOUR="blue")], output=output):
        eventually(lambda: path.read_text() == "blue True\n", "the output")


def test_its_children_write_to_standard_error_never_to_standard_output(tmp_path: Path) -> None:
    note = tmp_path / "written"
    child = f"print('hello', flush=True); open({str(note)!r}, 'x'); import time; time.sleep(600)"
    program = (
        "import os, sys, time\nfrom crowdmask.supervise import Command, Supervisor\n"
        f"with Supervisor([Command('a', [sys.executable, '-c', {child!r}])]):\n"
        f"    while not os.path.exists({str(note)!r}): time.sleep(0.05)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert "hello" not in done.stdout
    assert "hello" in done.stderr
