"""Collection: files that nothing needs any more are thrown away, a day after that became so.

A process that is killed between file and row, a mask made anew, a volume that was deleted: each leaves a blob that no row
points to. One pass lists the blobs, takes away those whose key stands in a column that is marked for it
(``models.base.HOLDS_BLOB_KEYS``), and notes the rest in ``blobs/unneeded``. A blob goes when its note is a day old and it
was put more than a day ago:

- who puts bytes that lie there already makes them young before the row is committed (``LocalStorage``), so a row never
  comes to a file that goes at this moment;
- the note gives a day to whoever has read a row that is gone since: a job under way, a request, an export that will
  write the key into its row when it is done.

The rows are read after the blobs were listed, in one transaction, so they are never older than the list. A folder of
blobs belongs to the database whose rows pointed to it first: pointed at another one, an empty one say, by mistake,
collecting would throw away everything. Temporary files go when nothing in them has changed for a day and no running job
owns them. Twice at once is harmless.
"""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode
from crowdmask.core.files import write_whole
from crowdmask.core.lifecycle import JobState
from crowdmask.infra.alone import alone
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage, file_clock
from crowdmask.models import Account, Base, Job
from crowdmask.models.base import HOLDS_BLOB_KEYS

UNNEEDED_S = 24 * 3600.0
"""How long nothing may have needed a file before it goes."""
EVERY_S = 3600.0
_KEYS = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_KEYS_AT_ONCE = 10_000
_DOCUMENTS_AT_ONCE = 20  # one of an export of a thousand volumes has megabytes

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Collected:
    """What one pass did.

    Attributes:
        blobs, blob_bytes: thrown away.
        waiting: blobs that nothing needs, for less than a day yet.
        leftovers, leftover_bytes: temporary files and folders, thrown away.
    """

    blobs: int = 0
    blob_bytes: int = 0
    waiting: int = 0
    leftovers: int = 0
    leftover_bytes: int = 0


def collect(
    database: Database, storage: LocalStorage, settings: Settings, stop: threading.Event | None = None
) -> Collected:
    """One pass over blobs and temporary files. When ``stop`` is set it ends early; what it has done is right.

    Raises:
        Conflict: ``data_folder_in_use``, the blobs belong to another database; nothing was thrown away.
    """
    stop = stop or threading.Event()
    clock = file_clock(storage.incoming)  # before anything is looked at: what comes now is young
    unneeded = {bytes.fromhex(key) for key in storage.stored()}
    stored = len(unneeded)
    with database.read() as session:
        for key in blob_keys(session):
            unneeded.discard(bytes.fromhex(key))
        running = _running(session)
        ours = _belongs_here(session, storage, needed=len(unneeded) < stored)
    if not ours:
        return Collected()
    blobs = list(_collect_blobs(storage, unneeded, clock - UNNEEDED_S, stop))
    leftovers = list(_collect_leftovers(_leftovers(storage, settings), running, stop))
    if not stop.is_set():
        _place_of_owner(storage).touch()
    return Collected(
        blobs=len(blobs),
        blob_bytes=sum(blobs),
        waiting=len(unneeded) - len(blobs),
        leftovers=len(leftovers),
        leftover_bytes=sum(leftovers),
    )


def collect_forever(
    database: Database, storage: LocalStorage, settings: Settings, stop: threading.Event
) -> None:
    """A pass every hour until ``stop``, and at the start unless another process made one just now; among all processes
    on one database one at a time."""
    while not stop.is_set():
        try:
            with alone(database, settings.data_dir, "collect") as mine:
                if mine and _is_due(storage):
                    _log(collect(database, storage, settings, stop))
        except CrowdmaskError as error:
            log.warning("collection_refused", code=error.code.value, reason=error.message)
        except Exception as error:  # noqa: BLE001  it has to outlive every fault of database and disk
            log.warning("collection_failed", error=type(error).__name__)
        stop.wait(EVERY_S)


def blob_keys(session: Session) -> Iterator[str]:
    """The key of every blob that a row needs, some of them several times; few rows are in memory at once."""
    for column in marked_columns():
        statement = sa.select(sa.cast(column, sa.Text())).where(column.is_not(None))
        if column.table is Job.__table__:  # what a job was asked for is needed until it is done
            statement = statement.where(Job.state.not_in([JobState.DONE, JobState.CANCELLED]))
        rows = _KEYS_AT_ONCE if isinstance(column.type, sa.String) else _DOCUMENTS_AT_ONCE
        for text in session.scalars(statement.execution_options(yield_per=rows)):
            yield from _KEYS.findall(text)


def marked_columns() -> list[sa.Column[str]]:
    """The columns that name blobs, alone or in a document."""
    tables = Base.metadata.sorted_tables
    return [column for table in tables for column in table.columns if column.info.get(HOLDS_BLOB_KEYS)]


def _collect_blobs(
    storage: LocalStorage, unneeded: set[bytes], before: float, stop: threading.Event
) -> Iterator[int]:
    """Throw away what was noted and put before that time, note what is new, and take back notes of what is needed again;
    yields the bytes of each blob that went."""
    folder = storage.root / "unneeded"
    folder.mkdir(exist_ok=True)
    noted: dict[bytes, float] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if _KEYS.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    noted[bytes.fromhex(entry.name)] = entry.stat().st_mtime
    for key in noted.keys() - unneeded:
        (folder / key.hex()).unlink(missing_ok=True)
    for key in unneeded:
        if stop.is_set():
            return
        if key not in noted:
            (folder / key.hex()).touch()
        elif noted[key] < before:
            n_bytes = storage.discard(key.hex(), put_before=before)
            if n_bytes is not None:
                (folder / key.hex()).unlink(missing_ok=True)
                yield n_bytes


def _leftovers(storage: LocalStorage, settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each temporary file or folder that there is, with the start of whose it may be: of an attempt at a job the job's id, of
    a dataset that is being written its export's."""
    yield from ((path, "") for path in storage.incoming.iterdir())
    yield from ((path, path.name) for path in settings.work_dir.iterdir())
    yield from ((path, path.parent.name) for path in settings.exports_dir.glob("*/.partial-*"))


def _collect_leftovers(
    leftovers: Iterator[tuple[Path, str]], running: tuple[str, ...], stop: threading.Event
) -> Iterator[int]:
    """Yields the bytes of each that went."""
    clocks: dict[int, float] = {}  # by file system: datasets may lie on a disk of their own
    for path, owner in leftovers:
        if stop.is_set():
            return
        with suppress(FileNotFoundError):  # its owner is done with it
            device = path.lstat().st_dev
            if device not in clocks:
                clocks[device] = file_clock(path.parent)
            changed, n_bytes = _looked_through(path)
            if changed < clocks[device] - UNNEEDED_S and not owner.startswith(running):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                yield n_bytes


def _looked_through(path: Path) -> tuple[float, int]:
    """When anything in it was changed last, and the bytes of its files."""
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    found = [each.lstat() for each in inside]
    return max(each.st_mtime for each in found), sum(each.st_size for each in found)


def _running(session: Session) -> tuple[str, ...]:
    """The ids of running jobs, and of the exports that they write."""
    found = session.execute(sa.select(Job.id, Job.payload).where(Job.state == JobState.RUNNING))
    ids = [(str(job_id), str(payload.get("export_id", job_id))) for job_id, payload in found]
    return tuple({one for pair in ids for one in pair})


def _belongs_here(session: Session, storage: LocalStorage, *, needed: bool) -> bool:
    """Whether the blobs are this database's. The first time they are if it needs one of them: an account of it is noted.

    Raises:
        Conflict: ``data_folder_in_use``.
    """
    place = _place_of_owner(storage)
    if place.is_file():
        owner = UUID(place.read_text(encoding="ascii"))
        if session.get(Account, owner) is None:
            raise Conflict(
                ErrorCode.DATA_FOLDER_IN_USE,
                f"The files in {storage.root} belong to another database, which has the account {owner}: none is collected.",
                hint=f"Give the folder's own database, or, if this one shall have the files, remove {place.name} there.",
            )
        return True
    first = session.scalar(sa.select(Account.id).order_by(Account.created_at, Account.id).limit(1))
    if first is None or not needed:
        return False
    with write_whole(place) as file:
        file.write(str(first).encode("ascii"))
    return True


def _place_of_owner(storage: LocalStorage) -> Path:
    """Its text names the database, its time is that of the last pass."""
    return storage.root / "collected"


def _is_due(storage: LocalStorage) -> bool:
    place = _place_of_owner(storage)
    # Half the time: several servers take turns, each with an hour of its own.
    return not place.exists() or file_clock(storage.incoming) - place.stat().st_mtime > EVERY_S / 2


def _log(done: Collected) -> None:
    if done.blobs or done.leftovers:
        log.info(
            "collected",
            blobs=done.blobs,
            blob_bytes=done.blob_bytes,
            waiting=done.waiting,
            leftovers=done.leftovers,
            leftover_bytes=done.leftover_bytes,
        )
