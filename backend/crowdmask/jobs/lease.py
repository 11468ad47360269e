"""What a worker does with a job: claim it, keep it, and end it in one of the possible ways, always fenced.

A worker holds a job while the row is running with its name and its fence. Whoever has lost it (the lease expired and
the reconciler took the job back) is refused with ``lease_lost``, so a worker that wakes up late changes nothing.
"""

import traceback
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode, Unavailable
from crowdmask.core.lifecycle import JobState
from crowdmask.infra.db import now
from crowdmask.infra.settings import Settings
from crowdmask.jobs.state import attempts_allowed, backoff_s, change, due
from crowdmask.models import Job, JobKind, Queue
from crowdmask.models.base import JsonDict

_LONGEST_TEXT = 500


@dataclass(frozen=True)
class ClaimedJob:
    """A job as its worker sees it; ``fence`` tells this claim from every other of the same job."""

    id: UUID
    kind: JobKind
    payload: JsonDict
    attempt: int
    max_attempts: int | None
    fence: int
    owner: str


def claim(session: Session, queues: Collection[Queue], *, owner: str, lease_s: float) -> ClaimedJob | None:
    """Take the best due job of ``queues`` (priority, then age), in one statement; ``None`` when nothing is due.

    The attempt counts from here, before any work: a job that kills its worker every time stops at ``max_attempts``.
    """
    best = (
        sa.select(Job.id)
        .where(due(), Job.queue.in_(queues))
        .order_by(Job.priority, Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claimed = change(
        session,
        JobState.RUNNING,
        Job.id == best,
        attempt=Job.attempt + 1,
        fence=Job.fence + 1,
        lease_owner=owner,
        lease_until=now(lease_s),
        started_at=now(),
        progress=0.0,
    )
    if not claimed:
        return None
    (job,) = claimed
    return ClaimedJob(job.id, job.kind, job.payload, job.attempt, job.max_attempts, job.fence, owner)


def heartbeat(session: Session, job: ClaimedJob, *, progress: float, lease_s: float) -> bool:
    """Renew the lease and write the progress (0 to 1); return whether somebody asked to cancel.

    Raises:
        Conflict: ``lease_lost``.
    """
    asked = session.scalar(
        sa.update(Job)
        .where(_holds(job))
        .values(lease_until=now(lease_s), progress=progress)
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    )
    if asked is None:
        raise _lease_lost(job)
    return asked


def complete(session: Session, job: ClaimedJob) -> None:
    """The step to done. The job's effect belongs into the same transaction, after this.

    Raises:
        Conflict: ``lease_lost``, or ``job_cancelled`` when somebody asked to cancel: the result is not wanted.
    """
    if _held(session, job).cancel_requested:
        raise Conflict(ErrorCode.JOB_CANCELLED, f"Job {job.id} was cancelled while it ran.")
    change(session, JobState.DONE, _holds(job), progress=1.0, error_code=None, error_text=None)


def fail(session: Session, job: ClaimedJob, error: BaseException, *, settings: Settings) -> JobState:
    """Record why an attempt failed and decide what comes next; return the new state.

    - Somebody asked to cancel: cancelled.
    - Something needed is not there now (``Unavailable``: no disk space, no model): queued again with a wait, and the
      attempt is given back, so that the job is there, with the reason, when the missing thing returns.
    - Any other ``CrowdmaskError`` is about the input, and a second try would meet the same: dead at once.
    - Everything else: queued again after the back-off, or dead when no attempt is left.

    Raises:
        Conflict: ``lease_lost``.
    """
    row = _held(session, job)
    code, text = describe(error)
    reason = {"error_code": code, "error_text": text}
    if row.cancel_requested:
        (row,) = change(session, JobState.CANCELLED, _holds(job), **reason)
    elif isinstance(error, Unavailable):
        wait_s = backoff_s(attempts_allowed(job.max_attempts, settings), settings)
        attempt = Job.attempt - 1
        (row,) = change(
            session, JobState.QUEUED, _holds(job), attempt=attempt, not_before=now(wait_s), **reason
        )
    elif isinstance(error, CrowdmaskError) or job.attempt >= attempts_allowed(job.max_attempts, settings):
        (row,) = change(session, JobState.DEAD, _holds(job), **reason)
    else:
        wait_s = backoff_s(job.attempt, settings)
        (row,) = change(session, JobState.QUEUED, _holds(job), not_before=now(wait_s), **reason)
    return row.state


def release(session: Session, job: ClaimedJob) -> None:
    """Give an unfinished job back at once, with its attempt: the worker has to stop and the job is not to blame.

    Raises:
        Conflict: ``lease_lost``.
    """
    row = _held(session, job)
    target = JobState.CANCELLED if row.cancel_requested else JobState.QUEUED
    change(session, target, _holds(job), attempt=Job.attempt - 1)


def describe(error: BaseException) -> tuple[str, str]:
    """Code and text to store. Our own messages are written to be shown; of a foreign error only its type and place
    are kept, because its text may hold a file's name or content.
    """
    if isinstance(error, CrowdmaskError):
        return error.code.value, str(error)[:_LONGEST_TEXT]
    place = ""
    if frames := traceback.extract_tb(error.__traceback__):
        where = Path(frames[-1].filename)
        place = f" in {where.parent.name}/{where.name}:{frames[-1].lineno} ({frames[-1].name})"
    return ErrorCode.INTERNAL.value, f"{type(error).__name__}{place}"[:_LONGEST_TEXT]


def _holds(job: ClaimedJob) -> ColumnElement[bool]:
    return sa.and_(
        Job.id == job.id,
        Job.state == JobState.RUNNING,
        Job.lease_owner == job.owner,
        Job.fence == job.fence,
    )


def _held(session: Session, job: ClaimedJob) -> Job:
    """The row, locked until the transaction ends, if the worker still holds it."""
    statement = sa.select(Job).where(_holds(job)).with_for_update().execution_options(populate_existing=True)
    row = session.scalar(statement)
    if row is None:
        raise _lease_lost(job)
    return row


def _lease_lost(job: ClaimedJob) -> Conflict:
    return Conflict(
        ErrorCode.LEASE_LOST,
        f"Job {job.id} is no longer held by {job.owner} (attempt {job.attempt}, fence {job.fence}).",
        hint="Its result is discarded; the job runs again or has ended.",
    )
