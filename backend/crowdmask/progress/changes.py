"""What changed in the database, for the live stream, and who may hear of it.

Admins, reviewers and researchers hear of everything in their project, annotators only of their own work. The roles are
those of the moment: a membership that is older than some seconds is read again before anything is told, and a stream
ends soon after its person left the project or signed out.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.infra.db import Database, now
from crowdmask.models import (
    Annotation,
    Assignment,
    BrowserSession,
    Job,
    Label,
    Membership,
    Role,
    Task,
    Volume,
)
from crowdmask.projects.queries import visible_project
from crowdmask.web.events import Change, EventHub, ServerSentEvent
from crowdmask.web.state import ServerState

MOST_AT_ONCE = 2000
"""Changes that one look returns. When there are more, the newest: an older one is only a reason to look again."""
RECHECK_S = 5.0
"""Nothing is told on a membership that was read longer ago than this."""
RECHECK_IDLE_S = 30.0

_SEES_ALL = frozenset({Role.ADMIN, Role.REVIEWER, Role.RESEARCHER})
# What a job's event says of its payload, so that a page knows which of its rows the job is for.
_SUBJECT_KEYS = ("annotation_id", "volume_id", "export_id", "segmentation_id", "training_id")


def event_hub(database: Database) -> EventHub:
    """The hub that polls this database."""

    def look(since: datetime) -> Sequence[Change]:
        with database.read() as session:
            return changes_since(session, since)

    def clock() -> datetime:
        with database.read() as session:
            return session.scalars(sa.select(now())).one()

    return EventHub(look, clock)


def changes_since(session: Session, since: datetime) -> list[Change]:
    """The changes of jobs and of people's work at or after ``since``, the newest ``MOST_AT_ONCE`` of them, oldest first.

    A volume's changes are those of its ingest job.
    """
    found = [*_of_jobs(session, since), *_of_work(session, since)]
    found.sort(key=lambda change: change.changed_at)
    return found[-MOST_AT_ONCE:]


def _of_jobs(session: Session, since: datetime) -> list[Change]:
    rows = session.scalars(
        sa.select(Job)
        .where(Job.updated_at >= since, Job.project_id.is_not(None))
        .order_by(Job.updated_at.desc(), Job.id)
        .limit(MOST_AT_ONCE)
    )
    return [
        Change(
            event="job",
            subject_id=job.id,
            project_id=job.project_id,
            account_id=job.account_id,
            changed_at=job.updated_at,
            content={
                "id": str(job.id),
                "kind": job.kind.value,
                "state": job.state.value,
                "progress": job.progress,
                "error_code": job.error_code,
                **{key: job.payload[key] for key in _SUBJECT_KEYS if key in job.payload},
            },
        )
        for job in rows
        if job.project_id is not None
    ]


def _of_work(session: Session, since: datetime) -> list[Change]:
    """One change per assignment: of itself, or of its annotation."""
    saved = sa.select(Annotation.assignment_id).where(Annotation.updated_at >= since)
    changed = sa.select(Assignment.id).where(Assignment.updated_at >= since)
    changed_at = sa.case(
        (Annotation.updated_at > Assignment.updated_at, Annotation.updated_at), else_=Assignment.updated_at
    )
    rows = session.execute(
        sa.select(
            Assignment.id,
            Assignment.task_id,
            Assignment.account_id,
            Assignment.state,
            Annotation.id,
            Annotation.state,
            Annotation.revision,
            Volume.id,
            Volume.project_id,
            Label.index,
            changed_at,
        )
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .where(Assignment.id.in_(sa.union(saved, changed)))
        .order_by(changed_at.desc(), Assignment.id)
        .limit(MOST_AT_ONCE)
    )
    return [
        Change(
            event="task",
            subject_id=assignment_id,
            project_id=project_id,
            account_id=account_id,
            changed_at=at,
            content={
                "task_id": str(task_id),
                "volume_id": str(volume_id),
                "label_index": label_index,
                "account_id": str(account_id),
                "assignment_id": str(assignment_id),
                "state": state.value,
                "annotation_id": None if annotation_id is None else str(annotation_id),
                "annotation_state": None if annotation_state is None else annotation_state.value,
                "revision": revision,
            },
        )
        for (
            assignment_id,
            task_id,
            account_id,
            state,
            annotation_id,
            annotation_state,
            revision,
            volume_id,
            project_id,
            label_index,
            at,
        ) in rows
    ]


def check_listener(database: Database, actor: Actor, project_id: UUID) -> None:
    """Refuse a stream before it begins.

    Raises:
        NotFound: ``not_found``, the actor is no member of such a project.
    """
    with database.read() as session:
        visible_project(session, actor, project_id)


class _Listener:
    """Who listens to a stream; ``role`` is the one last read, None when the stream has to end."""

    def __init__(self, database: Database, actor: Actor, project_id: UUID) -> None:
        self._database = database
        self._actor = actor
        self._project_id = project_id
        self.role: Role | None = None
        self._read_at = float("-inf")

    def wants(self, change: Change) -> bool:
        return change.project_id == self._project_id and (
            self.role in _SEES_ALL or change.account_id == self._actor.account_id
        )

    async def still_there(self, *, within_s: float) -> bool:
        """Whether the person may listen, by what was read in the last ``within_s`` seconds."""
        time = asyncio.get_running_loop().time
        if time() - self._read_at > within_s:
            self.role = await to_thread.run_sync(self._read)
            self._read_at = time()
        return self.role is not None

    def _read(self) -> Role | None:
        signed_in = sa.exists().where(
            BrowserSession.id == self._actor.session_id, BrowserSession.expires_at > now()
        )
        with self._database.read() as session:
            return session.scalar(
                sa.select(Membership.role).where(
                    Membership.project_id == self._project_id,
                    Membership.account_id == self._actor.account_id,
                    sa.true() if self._actor.session_id is None else signed_in,
                )
            )


async def stream(
    server: ServerState, actor: Actor, *, project_id: UUID, last_event_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    """The events of a project that the actor may hear of, until the actor may no longer or the client is gone.

    It holds no thread and no connection while it waits.

    Args:
        last_event_id: of the last event that the client got: what came since is told first, and what came just before
            perhaps once more. One that is not of ours counts as none.
    """
    listener = _Listener(server.database, actor, project_id)
    if not await listener.still_there(within_s=0):
        return
    changes = server.events.subscribe(
        listener.wants, since=_time_of(last_event_id), pulse_s=RECHECK_IDLE_S / 2
    )
    async with aclosing(changes):
        async for change in changes:
            if not await listener.still_there(within_s=RECHECK_IDLE_S / 2 if change is None else RECHECK_S):
                return
            if change is not None and listener.wants(change):  # the role may have changed since it was queued
                yield change.sent()


def _time_of(event_id: str | None) -> datetime | None:
    if event_id is None:
        return None
    try:
        time = datetime.fromisoformat(event_id)
        time - timedelta(days=1)  # a time that nothing can be subtracted from is no time of ours
    except (ValueError, OverflowError):
        return None
    return time if time.tzinfo is not None else None
