"""The thread that keeps a job's lease while its handler works, and carries word from the table to the handler."""

import threading
import time
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from crowdmask.core.errors import Conflict, ErrorCode, Unavailable
from crowdmask.jobs import heartbeat, release
from crowdmask_worker.context import JobContext
from crowdmask_worker.lifeline import Lifeline

_LOOK_S = 0.2  # how soon a shutdown is noticed

log = structlog.get_logger(__name__)


class Heartbeat:
    """Runs from the beginning of the block to its end.

    Every ``heartbeat_s`` it renews the lease, writes the progress and asks whether the job is still wanted. When the
    worker has to stop and the handler is not done within ``soft_shutdown_s``, it gives the job back at once, so that
    another worker need not wait for the lease to expire; the handler's late result is then refused.
    """

    def __init__(self, context: JobContext, lifeline: Lifeline) -> None:
        self._context = context
        self._lifeline = lifeline
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        settings = self._context.settings
        next_beat = time.monotonic() + settings.heartbeat_s
        stop_at: float | None = None
        while not self._ended.wait(min(_LOOK_S, settings.heartbeat_s)):
            moment = time.monotonic()
            if stop_at is None and self._lifeline.is_cut():
                stop_at = moment + settings.soft_shutdown_s
            try:
                if stop_at is not None and moment >= stop_at:
                    self._give_back()
                    return
                if moment >= next_beat:
                    next_beat = moment + settings.heartbeat_s
                    self._beat()
            except Conflict as lost:
                self._context.stop(lost)
                return
            except (SQLAlchemyError, Unavailable) as error:  # away for a moment: the lease decides
                log.warning("heartbeat_failed", job=str(self._context.job.id), error=type(error).__name__)

    def _beat(self) -> None:
        context = self._context
        with context.database.write() as session:
            cancelled = heartbeat(
                session, context.job, progress=context.progress, lease_s=context.settings.lease_s
            )
        if cancelled:
            context.stop(Conflict(ErrorCode.JOB_CANCELLED, f"Job {context.job.id} was cancelled."))

    def _give_back(self) -> None:
        context = self._context
        with context.database.write() as session:
            release(session, context.job)
        log.info("job_given_back", job=str(context.job.id))
        context.stop(
            Conflict(ErrorCode.LEASE_LOST, f"Job {context.job.id} was given back: the worker has to stop.")
        )
