"""Real workers, a real reconciler, and a table of results, for the tests of jobs."""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from crowdmask.infra.broker import make_app, ring
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.jobs import Reconciled, enqueue, reconcile, reconcile_forever
from crowdmask.models import Job, JobKind, Queue
from crowdmask_worker.runner import Runner
from tests.jobs.handlers.behaviour import results

REPOSITORY = Path(__file__).parents[2]
HANDLERS = "tests.jobs.handlers"


def changed(settings: Settings, **changes: Any) -> Settings:
    return Settings(**settings.model_dump() | {"handlers": HANDLERS} | changes)


def environment(settings: Settings) -> dict[str, str]:
    """What gives another process the same settings."""
    return os.environ | settings.environment() | {"PYTHONPATH": str(REPOSITORY)}


class Worker:
    """A worker process with its child, in a process group of their own."""

    def __init__(self, settings: Settings, queues: str = "cpu,gpu") -> None:
        self._settings = settings
        self._command = [sys.executable, "-m", "crowdmask_worker", "--queues", queues]
        self.log = settings.data_dir / f"worker-{id(self)}.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=environment(self._settings),
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal_all(self, number: signal.Signals) -> None:
        """To the parent and its child; only while the parent has not been waited for, so the group is ours."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal_all(signal.SIGKILL)
        self.process.wait()


@contextmanager
def worker(settings: Settings, queues: str = "cpu,gpu") -> Iterator[Worker]:
    started = Worker(settings, queues)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def reconciler(database: Database, settings: Settings) -> Iterator[None]:
    """The reconciler, ringing the real bell, in a thread."""
    stop = threading.Event()
    bell = functools.partial(ring, make_app(settings))
    thread = threading.Thread(target=reconcile_forever, args=(database, bell, settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def runner(database: Database, storage: LocalStorage, settings: Settings, owner: str = "worker-1") -> Runner:
    """A worker's inside, in this process."""
    return Runner(database=database, storage=storage, settings=settings, owner=owner)


def reconcile_once(database: Database, settings: Settings) -> Reconciled:
    return reconcile(database, lambda queue: True, settings)


def add(
    database: Database,
    payload: dict[str, Any] | None = None,
    *,
    key: str = "job",
    kind: JobKind = JobKind.INGEST,
    queue: Queue = Queue.CPU,
    priority: int = 0,
    max_attempts: int | None = None,
) -> UUID:
    with database.write() as session:
        job = enqueue(
            session,
            kind,
            payload or {},
            idem_key=key,
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
        )
        return job.id


def look_at(database: Database, job_id: UUID) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def make_result_table(database: Database) -> None:
    with database.write() as session:
        results.create(session.connection())


def results_of(database: Database) -> list[tuple[UUID, int]]:
    """(job, attempt) of every effect that was kept."""
    with database.read() as session:
        return [(row.job_id, row.attempt) for row in session.execute(sa.select(results))]
