"""The installation's secret."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from tempfile import mkstemp

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.files import sync_folder

_SECRET_BYTES = 32


def load_or_create_secret(path: Path) -> str:
    """The secret in the file ``path``, 64 hexadecimal digits; made on the first start, readable by its owner only.

    Processes that start at the same moment get the same one.

    Raises:
        Corrupt: ``secret_invalid``, the file holds something else.
    """
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:  # a copy or a restored backup may have lost the mode
        path.chmod(0o600)
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) != 2 * _SECRET_BYTES or not set(secret) <= set("0123456789abcdef"):
        raise Corrupt(
            ErrorCode.SECRET_INVALID,
            f"{path} does not hold a secret of {2 * _SECRET_BYTES} hexadecimal digits.",
            hint="Restore it from the backup, or delete it: a new one is made, and everybody has to sign in again.",
        )
    return secret


def derived_secret(path: Path, purpose: str) -> str:
    """A secret of its own for one purpose, 64 hexadecimal digits: who learns it learns nothing of the others.

    Raises:
        Corrupt: ``secret_invalid``, as for ``load_or_create_secret``.
    """
    secret = load_or_create_secret(path)
    return hmac.new(bytes.fromhex(secret), purpose.encode(), hashlib.sha256).hexdigest()


def _create(path: Path) -> None:
    handle, name = mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(handle)
        try:
            os.link(name, path)  # unlike a rename it never replaces the secret of a faster process
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        os.unlink(name)
