"""What both command lines share: how a program speaks, refuses and ends, and how it checks the files it was given.

Standard output holds the result alone, everything else goes to standard error. Exit codes: 0 done; 2 what was given
was refused, and comes to the same when it is given again; 1 it could not be done now, or something unexpected
happened. A refusal is one line.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.files import resolved

FAILED = 1
REFUSED = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
AssumeAffine = Annotated[
    bool,
    typer.Option(
        "--assume-affine",
        help="Accept a file without orientation: its axes as stored are Right, Anterior, Superior.",
    ),
]

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """A command line under the ``name`` that people type."""

    name: str

    def note(self, text: str) -> None:
        """Say what was accepted but is worth knowing."""
        self._say(f"note: {text}")

    def run(self, app: typer.Typer) -> NoReturn:
        """Run the command that the arguments name, and leave with its exit code."""
        with _orderly_end():
            sys.exit(self._exit_code(app))

    def _exit_code(self, app: typer.Typer) -> int:
        try:
            # Not standalone: typer would frame a wrong option in a drawing of several lines.
            return app(prog_name=self.name, standalone_mode=False) or 0
        except typer.TyperException as error:
            # Without a message: no arguments were given, and typer has printed the help.
            if message := error.format_message():
                self._say(message if message.endswith((".", "?", "!")) else f"{message}.")
            return REFUSED
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0].startswith("crowdmask"):
                raise
            self._say(
                f"This needs the package {error.name}, which is not installed. "
                "Install Crowdmask with its extras: pip install 'crowdmask[server,ml]'."
            )
            return FAILED
        except CrowdmaskError as error:
            self._say(str(error))
            later = isinstance(error, Unavailable) or error.code is ErrorCode.JOB_FAILED
            return FAILED if later else REFUSED

    def _say(self, text: str) -> None:
        typer.echo(f"{self.name}: {' '.join(text.splitlines())}", err=True)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and a closed terminal run the ``finally`` blocks: they stop child processes, remove temporary files.

    Only the first signal counts, or a second one would cut that short. One that is ignored stays so (``nohup``).
    """

    def end(number: int, _frame: object) -> None:
        for each in previous:
            # Not SIG_IGN, which a child process would inherit.
            signal.signal(each, lambda _number, _frame: None)
        raise SystemExit(128 + number)

    previous = {each: signal.getsignal(each) for each in _ENDING_SIGNALS}
    previous = {each: handler for each, handler in previous.items() if handler is not signal.SIG_IGN}
    for each in previous:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def print_json(content: dict[str, object]) -> None:
    """Print the result of a command for programs."""
    typer.echo(json.dumps(content, allow_nan=False))


def readable(path: Path) -> Path:
    """The same path, of a file that can be opened.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{path} cannot be read: {error.strerror or error}."
        ) from error


def check_output(path: Path, *inputs: Path) -> None:
    """Refuse a file that could not be written or would replace one of ``inputs``: before any work, not after it.

    Of a link, the file that it points to counts, which ``files.write_whole`` writes. Devices and pipes are refused: a whole
    file would take their place.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    if path.is_dir():
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"{path} cannot be written: it is a folder.")
    target = resolved(path)
    if target.is_symlink():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{path} cannot be written: it is a link that leads back to itself."
        )
    # Asked of the path as given: links in /proc lead to pipes that have no name.
    if path.exists() and not path.is_file():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{path} cannot be written: it is a device, a pipe or a socket.",
            hint="Give the name of a file.",
        )
    check_folder(target.parent, wanted_for=path)
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise InvalidInput(
                ErrorCode.OPTION_INVALID, f"{path} would replace {given}, which it is made from."
            )


def check_folder(folder: Path, *, wanted_for: Path) -> None:
    """Refuse a folder that no file can be written to.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    if not folder.is_dir():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{wanted_for} cannot be written: there is no folder {folder}."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{wanted_for} cannot be written: the folder {folder} may not be changed.",
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of ``path`` that it cannot be written when the system refuses what the block does.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"{path} cannot be written: {error.strerror or error}."
        ) from error
