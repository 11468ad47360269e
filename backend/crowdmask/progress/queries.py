"""How far a project and its people are."""

from collections import defaultdict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.assignments.overview import completeness_by_id
from crowdmask.assignments.policy import require_sees_all
from crowdmask.assignments.queries import active_seconds
from crowdmask.core.distribution import slots_needed
from crowdmask.core.lifecycle import AssignmentState, VolumeState
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    BrowserSession,
    Membership,
    Segmentation,
    Task,
    Volume,
)
from crowdmask.progress.schemas import PersonProgress, ProgressSummary
from crowdmask.progress.table import task_share

_HOLDS_SLOT = (AssignmentState.RESERVED, AssignmentState.SUBMITTED)


def summary(session: Session, actor: Actor, *, project_id: UUID) -> ProgressSummary:
    """How far the project is; tasks that were archived one by one do not count. A mask is one of submitted work.

    Raises:
        NotFound: the actor is no member. NotAllowed: an annotator.
    """
    require_sees_all(session, actor, project_id)
    tasks = session.execute(
        sa.select(Task.id, Task.overlap, slots.submitted, slots.absence_answers, slots.reserved)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Volume.project_id == project_id, Task.archived_at.is_(None))
    ).all()
    works = session.execute(
        sa.select(Assignment.task_id, Annotation.id, Annotation.completeness)
        .join(Annotation, Annotation.assignment_id == Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Volume.project_id == project_id, Assignment.state.in_(_HOLDS_SLOT))
    ).all()
    counted = completeness_by_id(session, {annotation_id: stored for _, annotation_id, stored in works})
    shares: defaultdict[UUID, list[float]] = defaultdict(list)
    for task_id, annotation_id, _ in works:
        shares[task_id].append(counted[annotation_id].share)
    needed = {task_id: slots_needed(overlap, absent) for task_id, overlap, _, absent, _ in tasks}
    return ProgressSummary(
        volumes=_count(
            session,
            sa.select(Volume.id).where(
                # A refused file is no scan.
                Volume.project_id == project_id,
                Volume.state != VolumeState.QUARANTINED,
            ),
        ),
        tasks=len(tasks),
        tasks_complete=sum(submitted >= needed[task_id] for task_id, _, submitted, _, _ in tasks),
        share=sum(task_share(shares[task_id], needed[task_id]) for task_id in needed) / (len(tasks) or 1),
        reserved=sum(reserved for *_, reserved in tasks),
        masks=_count(
            session,
            sa.select(Segmentation.id)
            .join(
                Annotation,
                (Annotation.id == Segmentation.annotation_id)
                & (Annotation.submitted_revision == Segmentation.revision),
            )
            .join(Assignment, Assignment.id == Annotation.assignment_id)
            .join(Task, Task.id == Assignment.task_id)
            .join(Volume, Volume.id == Task.volume_id)
            .where(Volume.project_id == project_id),
        ),
    )


def people(session: Session, actor: Actor, *, project_id: UUID) -> list[PersonProgress]:
    """What each member of the project has done, by their names.

    ``late``: works with at least one save that have no place in their task (expired, taken or given back).
    ``boxes_drawn``: boxes that a person made and that stand in the work now. ``active_minutes``: by the rule of
    ``assignments.queries.active_seconds``, over all the person's works here. ``seen_at``: last seen in a browser.

    Raises:
        NotFound: the actor is no member. NotAllowed: an annotator.
    """
    require_sees_all(session, actor, project_id)
    in_project = (
        sa.select(Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Volume.project_id == project_id)
    )
    works = session.execute(
        sa.select(
            Assignment.account_id,
            Assignment.state,
            Annotation.id,
            sa.func.coalesce(Annotation.revision, 0),
            Annotation.completeness,
        )
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .where(Assignment.id.in_(in_project))
    ).all()
    counted = completeness_by_id(session, {row[2]: row[4] for row in works if row[2] is not None})
    states: defaultdict[UUID, list[AssignmentState]] = defaultdict(list)
    late: defaultdict[UUID, int] = defaultdict(int)
    slices: defaultdict[UUID, int] = defaultdict(int)
    boxes: defaultdict[UUID, int] = defaultdict(int)
    for account_id, state, annotation_id, revision, _ in works:
        states[account_id].append(state)
        late[account_id] += state not in _HOLDS_SLOT and revision > 0
        if annotation_id is not None:
            slices[account_id] += counted[annotation_id].decided
            boxes[account_id] += counted[annotation_id].boxes
    active = active_seconds(Annotation.assignment_id.in_(in_project))
    worked = session.execute(
        sa.select(Assignment.account_id, sa.func.sum(active.c.seconds))
        .join(Annotation, Annotation.assignment_id == Assignment.id)
        .join(active, active.c.annotation_id == Annotation.id)
        .group_by(Assignment.account_id)
    )
    seconds: dict[UUID, float] = {account_id: total for account_id, total in worked}  # noqa: C416
    seen_at = (
        sa.select(sa.func.max(BrowserSession.seen_at, type_=BrowserSession.seen_at.type))
        .where(BrowserSession.account_id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
    members = session.execute(
        sa.select(Account.id, Account.name, Membership.role, seen_at)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.project_id == project_id)
        .order_by(Account.name, Account.id)
    )
    return [
        PersonProgress(
            account_id=account_id,
            name=name,
            role=role,
            reserved=states[account_id].count(AssignmentState.RESERVED),
            submitted=states[account_id].count(AssignmentState.SUBMITTED),
            late=late[account_id],
            slices_decided=slices[account_id],
            boxes_drawn=boxes[account_id],
            active_minutes=round(seconds.get(account_id, 0.0) / 60, 2),
            seen_at=seen,
        )
        for account_id, name, role, seen in members
    ]


def _count(session: Session, rows: sa.Select[UUID]) -> int:
    return session.scalars(sa.select(sa.func.count()).select_from(rows.subquery())).one()
