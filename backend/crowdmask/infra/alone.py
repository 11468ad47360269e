"""What one process at a time does, of all that work on one database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from filelock import FileLock, Timeout

from crowdmask.infra.db import Database

# Any constants that no other lock of this database uses.
_ADVISORY_LOCKS = {"reconcile": 0x63726D736B, "collect": 0x63726D736C}


@contextmanager
def alone(database: Database, data_dir: Path, duty: Literal["reconcile", "collect"]) -> Iterator[bool]:
    """Whether this process has the duty now; it does not wait for it. A process that dies gives it back by dying."""
    if database.is_sqlite:
        lock = FileLock(data_dir / f"{duty}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()
        return
    number = _ADVISORY_LOCKS[duty]
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        mine = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(number))))
        try:
            yield mine
        finally:
            if mine:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))
