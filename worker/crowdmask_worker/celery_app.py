"""The Celery worker: waits for the bell and has its one child process look into the job table.

The parent process imports no handler, no torch, and opens no database: all that happens in the child, after the fork.
"""

import os
import socket
from collections.abc import Sequence

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from crowdmask.core.ids import new_id
from crowdmask.infra.broker import LOOK, make_app, worker_arguments
from crowdmask.infra.logs import set_up_logs
from crowdmask.infra.settings import Settings
from crowdmask.models import Queue
from crowdmask_worker.lifeline import Lifeline


def make_worker_app(settings: Settings, queues: Sequence[Queue]) -> Celery:
    """The application of a worker for ``queues``, its task registered and its signals connected."""
    app = make_app(settings)
    child = _Child(settings, tuple(queues))

    @app.task(name=LOOK)
    def look(*_queue: str) -> None:
        """The bell rang. Which queue it was for does not matter: all of the worker's queues are looked through."""
        child.look()

    def log_as_we_do(**_: object) -> None:
        """Celery leaves logging alone when somebody answers this signal."""
        set_up_logs(log_format=settings.log_format, level=settings.log_level)

    setup_logging.connect(log_as_we_do, weak=False)
    worker_process_init.connect(child.begin, weak=False)
    worker_shutting_down.connect(child.end, weak=False)
    return app


def run(settings: Settings, queues: Sequence[Queue]) -> None:
    """Run a worker in this process until it is told to stop.

    SIGTERM or Ctrl-C: the running job may finish within ``soft_shutdown_s``, else it is given back. A broker that is
    away at the start, or later, is waited for.
    """
    app = make_worker_app(settings, queues)
    names = [queue.value for queue in queues]
    app.worker_main(worker_arguments(names, name=f"{'-'.join(names)}-{os.getpid()}"))


class _Child:
    """The child's side of the worker; the parent only holds it and cuts its lifeline."""

    def __init__(self, settings: Settings, queues: Sequence[Queue]) -> None:
        self._settings = settings
        self._queues = queues
        self._lifeline = Lifeline()
        self._worker_pid = os.getpid()

    def begin(self, **_: object) -> None:
        """In the child, after the fork."""
        from crowdmask.infra.db import Database
        from crowdmask.infra.storage import LocalStorage
        from crowdmask_worker.runner import Runner
        from crowdmask_worker.watchdog import start_watchdog

        self._lifeline.keep_as_child()
        self._runner = Runner(
            database=Database(self._settings.database_url, pool_size=4),
            storage=LocalStorage(self._settings.blobs_dir),
            settings=self._settings,
            owner=f"{socket.gethostname()}:{os.getpid()}:{new_id()}",
            lifeline=self._lifeline,
        )
        start_watchdog(self._runner, self._queues, worker_pid=self._worker_pid)

    def look(self) -> None:
        self._runner.drain(self._queues)

    def end(self, **_: object) -> None:
        """In the parent, when it has been told to stop."""
        self._lifeline.cut()
