"""What people and services do with jobs: ask for one, stop it, ask again."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from crowdmask.core.errors import Conflict, ErrorCode, NotFound
from crowdmask.core.lifecycle import JOB_STEPS, JobState, step
from crowdmask.infra.db import now
from crowdmask.jobs.state import change, due
from crowdmask.models import Job, JobKind, Queue
from crowdmask.models.base import JsonDict


def enqueue(
    session: Session,
    kind: JobKind,
    payload: JsonDict,
    *,
    idem_key: str,
    queue: Queue,
    project_id: UUID | None = None,
    account_id: UUID | None = None,
    priority: int = 0,
    max_attempts: int | None = None,
) -> Job:
    """Ask for a job, in the transaction of its cause. Nothing is published here: the reconciler rings.

    ``project_id`` and ``account_id`` say for whom it is, so who may see it: the project's admins, and that person.
    ``max_attempts`` is this job's own number; None: the installation's (``Settings.max_attempts``), whatever it is by then.
    The same ``idem_key`` again gives the row that exists, whatever its state. Lower ``priority`` runs first.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(Job)
        .values(
            kind=kind,
            payload=payload,
            idem_key=idem_key,
            queue=queue,
            project_id=project_id,
            account_id=account_id,
            priority=priority,
            max_attempts=max_attempts,
        )
        .on_conflict_do_nothing(index_elements=[Job.idem_key])
    )
    return session.scalars(sa.select(Job).where(Job.idem_key == idem_key)).one()


def cancel(session: Session, job_id: UUID) -> Job:
    """Stop a job: a queued one at once, a running one at its worker's next look. Twice is as good as once.

    Raises:
        NotFound: no such job.
        Conflict: ``transition_invalid``, it is done or dead.
    """
    job = _locked(session, job_id)
    if job.state is JobState.RUNNING:
        job.cancel_requested = True
        session.flush()
    elif job.state is not JobState.CANCELLED:
        step(JOB_STEPS, job.state, JobState.CANCELLED)
        change(session, JobState.CANCELLED, Job.id == job_id)
    return job


def retry(session: Session, job_id: UUID) -> Job:
    """Queue a finished job again, with all its attempts: wanted by a person, or because its result was lost.

    Raises:
        NotFound: no such job.
        Conflict: ``transition_invalid``, it is queued or running.
    """
    job = _locked(session, job_id)
    if job.state is JobState.RUNNING:
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            f"Job {job_id} is running.",
            hint="Cancel it first, or wait until it ends.",
        )
    step(JOB_STEPS, job.state, JobState.QUEUED)
    change(
        session,
        JobState.QUEUED,
        Job.id == job_id,
        attempt=0,
        cancel_requested=False,
        error_code=None,
        error_text=None,
        started_at=None,
    )
    return job


def overdue(session: Session, queues: Collection[Queue], *, seconds: float) -> bool:
    """Whether a job of these queues has been waiting for longer than ``seconds`` since it became due."""
    waiting = sa.func.coalesce(Job.not_before, Job.created_at) <= now(-seconds)
    return bool(session.scalar(sa.select(sa.exists().where(due(), Job.queue.in_(queues), waiting))))


def waits_before(session: Session, queues: Collection[Queue], *, priority: int) -> bool:
    """Whether a job of these queues that comes before ``priority`` is due: one that can be put off should make way."""
    comes_before = sa.exists().where(due(), Job.queue.in_(queues), Job.priority < priority)
    return bool(session.scalar(sa.select(comes_before)))


def _locked(session: Session, job_id: UUID) -> Job:
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no job {job_id}.")
    return job
