"""Ends a worker that no longer hears its bell, so that the supervisor starts a fresh one (fault 41, docs/faults.md)."""

import os
import signal
import threading
import time
from collections.abc import Collection

import structlog
from sqlalchemy.exc import SQLAlchemyError

from crowdmask.core.errors import Unavailable
from crowdmask.jobs import overdue
from crowdmask.models import Queue
from crowdmask_worker.runner import Runner

log = structlog.get_logger(__name__)


def start_watchdog(runner: Runner, queues: Collection[Queue], *, worker_pid: int) -> threading.Thread:
    """Watch from the child process of the worker ``worker_pid``; the thread ends with the process."""
    thread = threading.Thread(target=_watch, args=(runner, queues, worker_pid), name="watchdog", daemon=True)
    thread.start()
    return thread


def _watch(runner: Runner, queues: Collection[Queue], worker_pid: int) -> None:
    limit_s = runner.settings.watchdog_s
    idle_since = time.monotonic()
    while not runner.lifeline.is_cut(wait_s=limit_s / 10):
        if runner.busy.is_set():
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > limit_s and _somebody_waits(runner, queues, limit_s):
            log.error("worker_deaf", seconds=limit_s, queues=[queue.value for queue in queues])
            os.kill(worker_pid, signal.SIGTERM)
            time.sleep(runner.settings.soft_shutdown_s)
            if os.getppid() == worker_pid:  # it does not hear this either
                os.kill(worker_pid, signal.SIGKILL)
            return


def _somebody_waits(runner: Runner, queues: Collection[Queue], limit_s: float) -> bool:
    try:
        with runner.database.read() as session:
            return overdue(session, queues, seconds=limit_s)
    except (SQLAlchemyError, Unavailable):
        return False  # without the database a fresh worker could do no more than this one
