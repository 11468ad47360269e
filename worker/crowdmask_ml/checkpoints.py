"""Weights from a local file, trusted by their sha256 before a byte of them is interpreted."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask.core.files import write_whole

_MODELS_VARIABLE = "CROWDMASK_MODELS"
_CHUNK_BYTES = 1 << 20
_SILENCE_SECONDS = 30


def models_folder() -> Path:
    """Where checkpoints are looked for when no path is given: ``CROWDMASK_MODELS``, else ``~/.cache/crowdmask/models``."""
    given = os.environ.get(_MODELS_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "crowdmask" / "models"


@contextmanager
def keeping_in(folder: Path) -> Iterator[None]:
    """Make a folder for files of models; say that it cannot be written when the system refuses what the block does.

    Raises:
        Unavailable: ``checkpoint_missing``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"Files of models cannot be written to {folder}: {error.strerror or error}.",
            hint=f"Name another folder for them in {_MODELS_VARIABLE}.",
        ) from error


@contextmanager
def open_checked(path: Path, *, sha256: str, model: str, source: str) -> Iterator[BinaryIO]:
    """Open a checkpoint whose content has the expected hash; what is read afterwards is what was hashed.

    Raises:
        Unavailable: ``checkpoint_missing``, with where to get the file and where to put it.
        Corrupt: ``checkpoint_mismatch``, with both hashes.
    """
    try:
        stream = path.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"The weights of {model} cannot be read at {path}: {error.strerror}.",
            hint=f"Get them from {source} and put the file there, or name its path with --checkpoint.",
        ) from error
    with stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise _mismatch(f"The file {path}", found, sha256=sha256, model=model, source=source)
        stream.seek(0)
        yield stream


def download(
    url: str, path: Path, *, sha256: str, model: str, progress: Callable[[int, int | None], None]
) -> None:
    """Fetch a checkpoint to ``path``, where it appears only when it is whole and has the expected hash.

    Args:
        url: of the official file, from the registry.
        path: where it belongs.
        sha256: of the official file.
        model: the registry's name.
        progress: called with the bytes that came and, where the server says it, how many there are.

    Raises:
        Unavailable: ``checkpoint_missing``: no connection, the server does not give the file, or the folder cannot be
            written; ``storage_full``.
        Corrupt: ``checkpoint_mismatch``: what came is something else.
    """
    digest = hashlib.sha256()
    with keeping_in(path.parent), write_whole(path) as file:
        try:
            with urllib.request.urlopen(url, timeout=_SILENCE_SECONDS) as answer:
                total = int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
                came = 0
                while chunk := answer.read(_CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    came += len(chunk)
                    progress(came, total)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise Unavailable(
                ErrorCode.CHECKPOINT_MISSING,
                f"The weights of {model} could not be downloaded from {url}: {getattr(error, 'reason', error)}.",
                hint=f"Get the file on a computer with internet access and put it at {path}.",
            ) from error
        if digest.hexdigest() != sha256:
            raise _mismatch(f"What {url} sent", digest.hexdigest(), sha256=sha256, model=model, source=url)


def _mismatch(what: str, found: str, *, sha256: str, model: str, source: str) -> Corrupt:
    return Corrupt(
        ErrorCode.CHECKPOINT_MISMATCH,
        f"{what} is not the checkpoint of {model}: its sha256 is {found}, expected {sha256}.",
        hint=f"Get the official file again from {source}.",
    )
