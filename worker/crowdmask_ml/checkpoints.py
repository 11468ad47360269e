"""Weights from a local file, trusted by their sha256 before a byte of them is interpreted."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable

_MODELS_VARIABLE = "CROWDMASK_MODELS"


def models_folder() -> Path:
    """Where checkpoints are looked for when no path is given: ``CROWDMASK_MODELS``, else ``~/.cache/crowdmask/models``."""
    given = os.environ.get(_MODELS_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "crowdmask" / "models"


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
            raise Corrupt(
                ErrorCode.CHECKPOINT_MISMATCH,
                f"The file {path} is not the checkpoint of {model}: its sha256 is {found}, expected {sha256}.",
                hint=f"Get the official file again from {source}.",
            )
        stream.seek(0)
        yield stream
