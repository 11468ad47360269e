"""How a program ends: with which exit code, after which last words, and never without its ``finally`` blocks."""

import os
import signal
import subprocess
import sys

import pytest
import typer

from crowdmask.console import Program, check_output
from crowdmask.core import errors
from crowdmask.core.errors import ErrorCode


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput(ErrorCode.OPTION_INVALID, "No."), 2),
        (errors.Conflict(ErrorCode.GRID_MISMATCH, "No."), 2),
        (errors.NotFound(ErrorCode.NOT_FOUND, "No."), 2),
        (errors.NotAllowed(ErrorCode.NOT_ALLOWED, "No."), 2),
        (errors.Corrupt(ErrorCode.CHECKPOINT_MISMATCH, "No."), 2),
        (errors.Unavailable(ErrorCode.STORAGE_FULL, "No."), 1),
        (errors.Unavailable(ErrorCode.JOB_FAILED, "No."), 1),
        (errors.Corrupt(ErrorCode.JOB_FAILED, "No."), 1),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.code}" if isinstance(value, Exception) else str(value),
)
def test_the_exit_code_tells_a_refusal_from_a_failure(error, code, monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def act() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["thing"])
    with pytest.raises(SystemExit) as left:
        Program("thing").run(app)
    assert left.value.code == code
    assert capsys.readouterr().err == "thing: No.\n"


def test_a_name_with_a_line_break_does_not_break_the_line(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def act(count: int) -> None: ...

    monkeypatch.setattr(sys, "argv", ["thing", "one\ntwo"])
    with pytest.raises(SystemExit):
        Program("thing").run(app)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_package_that_is_not_installed_is_said_with_its_remedy(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def act() -> None:
        import a_package_that_nobody_has  # noqa: F401

    monkeypatch.setattr(sys, "argv", ["thing"])
    with pytest.raises(SystemExit) as left:
        Program("thing").run(app)
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert "a_package_that_nobody_has" in said
    assert "pip install 'crowdmask[server,ml]'" in said


def test_an_unexpected_error_is_shown_whole(monkeypatch):
    app = typer.Typer()

    @app.command()
    def act() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["thing"])
    with pytest.raises(ZeroDivisionError):
        Program("thing").run(app)


def test_an_output_is_a_file_or_a_link_to_one_or_not_there_yet(tmp_path):
    file, link, new, dangling = (tmp_path / name for name in ("file", "link", "new", "dangling"))
    file.touch()
    link.symlink_to(file)
    dangling.symlink_to(new)
    for path in (file, link, new, dangling):
        check_output(path)
    os.mkfifo(new)
    for path in (new, dangling):
        with pytest.raises(errors.InvalidInput, match="a pipe") as caught:
            check_output(path)
        assert caught.value.code is ErrorCode.OPTION_INVALID


def test_a_link_to_a_place_where_nothing_can_be_written_is_no_output(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere" / "file")
    with pytest.raises(errors.InvalidInput, match="there is no folder"):
        check_output(link)


WAITING = """
import signal, sys, time, typer
from crowdmask.console import Program

if "--nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
app = typer.Typer()

@app.command()
def wait(nohup: bool = False) -> None:
    try:
        print("on", flush=True)
        time.sleep(0.5 if nohup else 600)
        print("slept", flush=True)
    finally:
        signal.raise_signal(signal.SIGTERM if not nohup else signal.SIGHUP)
        print("cleaned", flush=True)

Program("thing").run(app)
"""


def _waiting(*options):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    return process


@pytest.mark.usefixtures("hang_up_is_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_runs_the_finally_blocks_and_a_second_one_does_not_cut_them_short(number):
    process = _waiting()
    process.send_signal(number)
    assert process.communicate() == ("cleaned\n", "")
    assert process.returncode == 128 + number


def test_a_hang_up_that_is_ignored_stays_ignored():
    process = _waiting("--nohup")
    process.send_signal(signal.SIGHUP)
    assert process.communicate() == ("slept\ncleaned\n", "")
    assert process.returncode == 0


def test_the_handlers_are_as_before_when_the_program_has_ended(monkeypatch):
    app = typer.Typer()

    @app.command()
    def act() -> None: ...

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(sys, "argv", ["thing"])
    with pytest.raises(SystemExit) as left:
        Program("thing").run(app)
    assert left.value.code == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before
