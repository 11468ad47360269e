"""Claim, handle, complete: one job after the other until nothing is due."""

import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.jobs import ClaimedJob, claim, complete, fail, release
from crowdmask.models import Queue
from crowdmask_worker.context import JobContext
from crowdmask_worker.handlers import find_handler
from crowdmask_worker.heartbeat import Heartbeat
from crowdmask_worker.lifeline import Lifeline

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Runner:
    """The work of one process. ``owner`` names it in the table: unique among all workers, also after a restart."""

    database: Database
    storage: LocalStorage
    settings: Settings
    owner: str
    lifeline: Lifeline = field(default_factory=Lifeline)
    busy: threading.Event = field(default_factory=threading.Event)

    def drain(self, queues: Collection[Queue]) -> int:
        """Work until nothing is due in ``queues`` or the worker has to stop; return the number of attempts made."""
        attempts = 0
        self.busy.set()
        try:
            while not self.lifeline.is_cut():
                with self.database.write() as session:
                    job = claim(session, queues, owner=self.owner, lease_s=self.settings.lease_s)
                if job is None:
                    break
                self._attempt(job)
                attempts += 1
        finally:
            self.busy.clear()
        return attempts

    def _attempt(self, job: ClaimedJob) -> None:
        context = JobContext(job=job, database=self.database, storage=self.storage, settings=self.settings)
        spoken_of = {"job": str(job.id), "kind": job.kind.value, "attempt": job.attempt}
        log.info("job_started", **spoken_of)
        try:
            with Heartbeat(context, self.lifeline):
                effect = find_handler(self.settings.handlers, job.kind)(context)
            with self.database.write() as session:
                complete(session, job)  # first: it holds the row, so the effect is never made in vain
                effect(session)
        except Exception as error:
            self._record(job, error)
        except BaseException as end:  # SystemExit: a signal ends the process, or the handler does
            if not self._has_to_stop():
                self._record(job, end)
                raise
            self._give_back(job)  # and no more: the worker is about to end its child in good order
        else:
            log.info("job_done", **spoken_of)

    def _record(self, job: ClaimedJob, error: BaseException) -> None:
        """Write down how an attempt failed. What cannot be written is left to the lease, which then expires."""
        if _is_lease_lost(error):
            log.warning("lease_lost", job=str(job.id), attempt=job.attempt)
            return
        try:
            with self.database.write() as session:
                state = fail(session, job, error, settings=self.settings)
        except Exception as second:
            log.warning("job_not_recorded", job=str(job.id), error=type(second).__name__)
        else:
            log.warning("job_failed", job=str(job.id), error=type(error).__name__, state=state.value)

    def _give_back(self, job: ClaimedJob) -> None:
        with suppress(CrowdmaskError), self.database.write() as session:
            release(session, job)

    def _has_to_stop(self) -> bool:
        """Whether the worker was told to stop: only then is the job not to blame for the end of its process.

        A signal to the whole group reaches us before the parent has cut the lifeline. The last heartbeat's lease
        outlasts this wait.
        """
        return self.lifeline.is_cut(wait_s=self.settings.heartbeat_s)


def _is_lease_lost(error: BaseException) -> bool:
    return isinstance(error, Conflict) and error.code is ErrorCode.LEASE_LOST
