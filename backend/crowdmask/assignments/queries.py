"""Reading tasks and assignments. What the actor may not see is not there."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.core.distribution import TaskProgress, task_progress
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.models import Annotation, Assignment, Label, OperationBatch, Project, Role, Task, Volume
from crowdmask.projects.queries import takes_part

LONGEST_PAUSE_MS = 15_000
LONGEST_SAVE_MS = 60_000


def visible_task(session: Session, actor: Actor, task_id: UUID) -> tuple[Task, UUID]:
    """The task and its project's id, if the actor is a member of the project.

    Raises:
        NotFound: ``not_found``.
    """
    row = session.execute(
        sa.select(Task, Volume.project_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Task.id == task_id, takes_part(actor, Volume.project_id))
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no task {task_id}.")
    task, project_id = row
    return task, project_id


def own_assignment(session: Session, actor: Actor, assignment_id: UUID, *, lock: bool = False) -> Assignment:
    """The assignment, if it is the actor's own.

    Raises:
        NotFound: ``not_found``.
    """
    wanted = sa.select(Assignment).where(
        Assignment.id == assignment_id, Assignment.account_id == actor.account_id
    )
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return _found(session.scalar(wanted), assignment_id)


def administered_assignment(session: Session, actor: Actor, assignment_id: UUID) -> Assignment:
    """The assignment, locked, if the actor is an admin of its project.

    Raises:
        NotFound: ``not_found``.
    """
    return _found(
        session.scalar(
            sa.select(Assignment)
            .join(Task, Task.id == Assignment.task_id)
            .join(Volume, Volume.id == Task.volume_id)
            .where(Assignment.id == assignment_id, takes_part(actor, Volume.project_id, Role.ADMIN))
            .with_for_update(of=Assignment)
            .execution_options(populate_existing=True)
        ),
        assignment_id,
    )


def _found(assignment: Assignment | None, assignment_id: UUID) -> Assignment:
    if assignment is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no assignment {assignment_id}.")
    return assignment


@dataclass(frozen=True)
class TaskOverview:
    """One task of a project's table. ``reserved``: how many are at work, leases that ran out included."""

    task_id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    overlap: int
    priority: int
    reserved: int
    progress: TaskProgress


def task_overview(session: Session, actor: Actor, *, project_id: UUID) -> list[TaskOverview]:
    """All tasks of a project, by volume name and label; empty for a non-member."""
    rows = session.execute(
        sa.select(
            Task.id,
            Task.volume_id,
            Volume.name.label("volume_name"),
            Label.index.label("label_index"),
            Label.name.label("label_name"),
            Task.overlap,
            Task.priority,
            (~slots.not_archived).label("archived"),
            slots.submitted.label("submitted"),
            slots.absence_answers.label("absence_answers"),
            slots.reserved.label("reserved"),
        )
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Project.id == project_id, takes_part(actor, Project.id))
        .order_by(Volume.name, Label.index, Task.id)
    )
    return [
        TaskOverview(
            task_id=row.id,
            volume_id=row.volume_id,
            volume_name=row.volume_name,
            label_index=row.label_index,
            label_name=row.label_name,
            overlap=row.overlap,
            priority=row.priority,
            reserved=row.reserved,
            progress=task_progress(
                overlap=row.overlap,
                submitted=row.submitted,
                absence_answers=row.absence_answers,
                archived=row.archived,
            ),
        )
        for row in rows
    ]


def active_seconds(which: sa.ColumnElement[bool]) -> sa.Subquery:
    """(annotation_id, seconds): how long people worked on the annotations that ``which`` chooses, by their own clocks.

    Between its first input (``began_ms``) and its sending (``sent_ms``) a save counts as work, up to ``LONGEST_SAVE_MS``: one
    that took longer waited for the network. The pause before its first input counts if it was no longer than
    ``LONGEST_PAUSE_MS``; a longer one is idle and counts nothing. What two saves have in common counts once. Only
    differences of one person's clock are used, so a wrong clock does not matter. Saves without times count nothing.
    """
    times = OperationBatch.client_times
    saves = (
        sa.select(
            OperationBatch.annotation_id,
            times["began_ms"].as_float().label("began"),
            times["sent_ms"].as_float().label("sent"),
            sa.func.lag(times["sent_ms"].as_float())
            .over(partition_by=OperationBatch.annotation_id, order_by=OperationBatch.revision)
            .label("before"),
        )
        .where(OperationBatch.annotation_id.in_(sa.select(Annotation.id).where(which)))
        .subquery()
    )
    began, sent, before = saves.c.began, saves.c.sent, saves.c.before
    overlapped = sa.and_(before.is_not(None), before > began)
    worked = sent - sa.case((overlapped, before), else_=began)
    pause = began - before
    counted = sa.case(
        (worked < 0, 0.0), (worked > LONGEST_SAVE_MS, float(LONGEST_SAVE_MS)), else_=worked
    ) + sa.case((sa.and_(pause > 0, pause <= LONGEST_PAUSE_MS), pause), else_=0.0)
    return (
        sa.select(
            saves.c.annotation_id, (sa.func.coalesce(sa.func.sum(counted), 0.0) / 1000).label("seconds")
        )
        .group_by(saves.c.annotation_id)
        .subquery()
    )
