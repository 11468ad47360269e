"""The embedded platform: one data folder with SQLite, a file broker, supervised workers, and the server."""

import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.service import make_sign_in_link
from crowdmask.infra import broker, migrate
from crowdmask.infra.db import Database
from crowdmask.infra.folder_lock import folder_lock
from crowdmask.infra.security import load_or_create_secret
from crowdmask.infra.settings import PREVIEW_AUTO, Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.supervise import Command, Supervisor


@dataclass(frozen=True)
class Platform:
    """What services need; open while the context of ``prepared`` or ``running`` lasts."""

    settings: Settings
    database: Database
    storage: LocalStorage
    workers: Supervisor | None = None


@contextmanager
def prepared(settings: Settings) -> Iterator[Platform]:
    """Create the data folder, its secret and its migrated database where they are missing, and open them.

    Raises:
        Conflict: ``database_newer``.
        Unavailable: the database cannot be reached or is busy.
    """
    settings.make_folders()
    load_or_create_secret(settings.secret_path)
    migrate.upgrade_in_child(settings)
    database = Database(settings.database_url)
    try:
        yield Platform(settings, database, LocalStorage(settings.blobs_dir))
    finally:
        database.close()


@contextmanager
def serving(settings: Settings, *, exactly: bool = False) -> Iterator[Platform]:
    """The prepared platform with its worker process and its preview service, and the server answering at
    ``settings.base_url`` of the platform.

    Args:
        exactly: that port or none, instead of one of the next.

    Raises:
        InvalidInput: see ``serve.listen``.
        Unavailable: ``data_folder_in_use`` when another process runs it on the same folder.
    """
    # Imported here: a command that does not serve starts without FastAPI.
    from crowdmask.serve import listen, server

    settings, listening = listen(settings, exactly=exactly)
    settings, previews = preview_service(settings)
    with (
        listening,
        prepared(settings) as platform,
        folder_lock(settings.data_dir, "platform"),
        log_path(settings).open("ab") as log,
        Supervisor([_worker(settings), *previews, *_train_worker(settings)], output=log) as workers,
        server(settings, listening),
    ):
        yield replace(platform, workers=workers)


@contextmanager
def serving_alone(settings: Settings) -> Iterator[Platform]:
    """The server alone, for an installation whose workers run elsewhere and whose database is migrated already.

    Raises:
        InvalidInput: see ``serve.listen``.
        Conflict: ``database_newer``, ``database_older``.
    """
    from crowdmask.serve import listen, server

    settings, listening = listen(settings, exactly=True)
    with listening:
        settings.make_folders()
        migrate.refuse_other_schema_in_child(settings)
        database = Database(settings.database_url)
        try:
            with server(settings, listening):
                yield Platform(settings, database, LocalStorage(settings.blobs_dir))
        finally:
            database.close()


@contextmanager
def running(settings: Settings) -> Iterator[Platform]:
    """The prepared platform with its worker process and its reconciler running, for a command that serves nobody.

    Raises:
        Unavailable: ``data_folder_in_use`` when another process runs it on the same folder.
    """
    with prepared(settings) as platform:
        app = broker.make_app(settings)
        stop = threading.Event()
        reconciler = threading.Thread(
            target=jobs.reconcile_forever,
            args=(platform.database, lambda queue: broker.ring(app, queue), settings, stop),
            name="reconciler",
        )
        with (
            folder_lock(settings.data_dir, "platform"),
            log_path(settings).open("ab") as log,
            Supervisor([_worker(settings)], output=log) as workers,
        ):
            reconciler.start()
            try:
                yield replace(platform, workers=workers)
            finally:
                stop.set()
                reconciler.join()


def log_path(settings: Settings) -> Path:
    """Where the worker of the embedded platform writes."""
    return settings.data_dir / "worker.log"


def _train_worker(settings: Settings) -> list[Command]:
    """A worker for trainings, where nnU-Net is installed. Its own: a training of days holds up no mask."""
    if importlib.util.find_spec("nnunetv2") is None:
        return []
    arguments = [sys.executable, "-m", "crowdmask_worker", "--queues", "train"]
    return [Command("train worker", arguments, settings.environment(), is_optional=True)]


def _worker(settings: Settings) -> Command:
    return Command(
        "worker",
        [sys.executable, "-m", "crowdmask_worker", "--queues", "cpu,gpu"],
        settings.environment(),
    )


def preview_service(settings: Settings) -> tuple[Settings, list[Command]]:
    """The preview service that this command has to start, if it is this command's, and the settings that name it."""
    if settings.preview_url != PREVIEW_AUTO:
        return settings, []
    with (
        socket.socket() as free
    ):  # closed again, so it could be taken: then there is no preview, until the next start
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = settings.model_copy(update={"preview_url": f"http://127.0.0.1:{port}"})
    arguments = [sys.executable, "-m", "crowdmask_worker.preview", "--port", str(port)]
    return settings, [Command("preview", arguments, settings.environment(), is_optional=True)]


def sign_in_link(platform: Platform, session: Session, account_id: UUID) -> str:
    """An address that signs this account in, once."""
    return f"{platform.settings.base_url}/sign-in#{make_sign_in_link(session, account_id).token}"
