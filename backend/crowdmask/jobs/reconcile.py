"""The pass that makes a job survive everything around it: dead workers, lost messages, a broker that was away."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from crowdmask.core.errors import ErrorCode
from crowdmask.core.lifecycle import JobState
from crowdmask.infra.alone import alone
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.jobs.state import attempts_allowed, backoff_s, change, due
from crowdmask.models import Job, Queue

Ring = Callable[[Queue], bool]
"""Rings a queue's bell; whether somebody could have heard it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reconciled:
    """What one pass did.

    Attributes:
        expired: jobs taken back from workers that did not renew their lease.
        rung: queues whose bell was rung.
        unreachable: queues whose bell could not be rung; the next pass tries again.
    """

    expired: int
    rung: tuple[Queue, ...]
    unreachable: tuple[Queue, ...]


def reconcile(database: Database, ring: Ring, settings: Settings) -> Reconciled:
    """One pass: take expired jobs back, then ring once for each queue with due jobs not yet (or long ago) rung for.

    ``ring`` is called outside any transaction and may fail: the broker is only a doorbell.
    """
    expired = _take_back_expired(database, settings)
    rung: list[Queue] = []
    unreachable: list[Queue] = []
    for queue in _mark_rung(database, settings):
        (rung if _try(ring, queue) else unreachable).append(queue)
    if unreachable:
        with database.write() as session:
            session.execute(sa.update(Job).where(due(), Job.queue.in_(unreachable)).values(rung_at=None))
    return Reconciled(expired=expired, rung=tuple(rung), unreachable=tuple(unreachable))


def reconcile_forever(database: Database, ring: Ring, settings: Settings, stop: threading.Event) -> None:
    """Repeat the pass until ``stop``; among all processes on one database one at a time."""
    while not stop.is_set():
        try:
            with alone(database, settings.data_dir, "reconcile") as mine:
                if mine:
                    reconcile(database, ring, settings)
        except Exception as error:  # noqa: BLE001  it has to outlive every fault of the database
            log.warning("reconcile_failed", error=type(error).__name__)
        stop.wait(settings.reconcile_every_s)


def _try(ring: Ring, queue: Queue) -> bool:
    try:
        return ring(queue)
    except Exception as error:  # noqa: BLE001  whatever a broker can raise: the next pass rings again
        log.warning("ring_failed", queue=queue.value, error=type(error).__name__)
        return False


def _take_back_expired(database: Database, settings: Settings) -> int:
    expired = sa.and_(Job.state == JobState.RUNNING, Job.lease_until <= now())
    with database.read() as session:  # look before taking the one write lock that SQLite has
        if not session.scalar(sa.select(sa.exists().where(expired))):
            return 0
    with database.write() as session:
        jobs = session.scalars(sa.select(Job).where(expired).with_for_update(skip_locked=True)).all()
        for job in jobs:
            allowed = attempts_allowed(job.max_attempts, settings)
            reason = {
                "error_code": ErrorCode.WORKER_LOST.value,
                "error_text": f"The worker stopped answering in attempt {job.attempt} of {allowed}.",
            }
            if job.cancel_requested:
                change(session, JobState.CANCELLED, Job.id == job.id, **reason)
            elif job.attempt >= allowed:
                change(session, JobState.DEAD, Job.id == job.id, **reason)
            else:
                wait_s = backoff_s(job.attempt, settings)
                change(session, JobState.QUEUED, Job.id == job.id, not_before=now(wait_s), **reason)
            log.warning("job_taken_back", job=str(job.id), kind=job.kind.value, attempt=job.attempt)
    return len(jobs)


def _mark_rung(database: Database, settings: Settings) -> list[Queue]:
    """The queues to ring. Marked before the ring: a row that comes while the bell rings gets a ring of its own."""
    silent = sa.and_(due(), sa.or_(Job.rung_at.is_(None), Job.rung_at <= now(-settings.ring_again_s)))
    with database.read() as session:
        if not session.scalar(sa.select(sa.exists().where(silent))):
            return []
    with database.write() as session:
        # A ring is no news of the job: who follows its changes is not told.
        values = {"rung_at": now(), "updated_at": Job.updated_at}
        statement = sa.update(Job).where(silent).values(values).returning(Job.queue)
        rows = session.scalars(statement.execution_options(synchronize_session=False))
        return sorted(set(rows))
