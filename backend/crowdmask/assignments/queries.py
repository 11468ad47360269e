"""Reading tasks and assignments. What the actor may not see is not there."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.core.distribution import TaskProgress, task_progress
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.models import Assignment, Label, Project, Role, Task, Volume
from crowdmask.projects.queries import takes_part


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
    label_index: int
    reserved: int
    progress: TaskProgress


def task_overview(session: Session, actor: Actor, *, project_id: UUID) -> list[TaskOverview]:
    """All tasks of a project, by volume name and label; empty for a non-member."""
    reserved = (
        sa.select(sa.func.count())
        .select_from(Assignment)
        .where(Assignment.task_id == Task.id, Assignment.state == AssignmentState.RESERVED)
        .correlate(Task)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(
            Task,
            Label.index,
            sa.or_(Task.archived_at.is_not(None), Project.archived_at.is_not(None)),
            slots.submitted,
            slots.absence_answers,
            reserved,
        )
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Project.id == project_id, takes_part(actor, Project.id))
        .order_by(Volume.name, Label.index)
    )
    return [
        TaskOverview(
            task_id=task.id,
            volume_id=task.volume_id,
            label_index=label_index,
            reserved=at_work,
            progress=task_progress(
                overlap=task.overlap, submitted=submitted, absence_answers=absent, archived=archived
            ),
        )
        for task, label_index, archived, submitted, absent, at_work in rows
    ]
