"""The slots of a task as SQL, so that a free one is found and taken in one statement. For callers that checked the actor.

A task has the slots 0, 1, ...; who is ``reserved`` or ``submitted`` holds one. The rules are those of
``core.distribution``, said again in SQL (a test compares the two).
"""

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, VolumeState
from crowdmask.infra.db import now
from crowdmask.models import Annotation, Assignment, Label, Membership, Project, Task, Volume

ANSWERED = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED)

_at_zero = aliased(Assignment)
_held = aliased(Assignment)
_following = aliased(Assignment)
_answering = aliased(Assignment)
_submitted = aliased(Assignment)
_at_work = aliased(Assignment)


absence_answers = (
    sa.select(sa.func.count())
    .select_from(Annotation)
    .join(_answering, _answering.id == Annotation.assignment_id)
    .where(
        _answering.task_id == Task.id,
        _answering.state == AssignmentState.SUBMITTED,
        Annotation.state.in_(ANSWERED),
        Annotation.not_in_volume,
    )
    .correlate(Task)
    .scalar_subquery()
)
"""How many of the task's annotators answered that the label is not in the volume."""

submitted = (
    sa.select(sa.func.count())
    .where(_submitted.task_id == Task.id, _submitted.state == AssignmentState.SUBMITTED)
    .correlate(Task)
    .scalar_subquery()
)
"""How many people have submitted the task."""

reserved = (
    sa.select(sa.func.count())
    .where(_at_work.task_id == Task.id, _at_work.state == AssignmentState.RESERVED)
    .correlate(Task)
    .scalar_subquery()
)
"""How many people have the task reserved, leases that ran out included."""

slots_needed = Task.overlap + sa.case((absence_answers > 0, 1), else_=0)
"""How many slots the task has: one more than its overlap when somebody answered that the label is not there."""

Holds = Callable[[type[Assignment]], sa.ColumnElement[bool]]


def _lowest_free(holds: Holds) -> sa.ColumnElement[int]:
    """The lowest slot number of the task that nobody ``holds``; it may lie beyond ``slots_needed``."""
    return sa.case(
        (
            ~sa.exists()
            .where(_at_zero.task_id == Task.id, _at_zero.slot == 0, holds(_at_zero))
            .correlate(Task),
            0,
        ),
        else_=sa.select(sa.func.min(_held.slot) + 1)
        .where(
            _held.task_id == Task.id,
            holds(_held),
            ~sa.exists().where(
                _following.task_id == _held.task_id,
                _following.slot == _held.slot + 1,
                holds(_following),
            ),
        )
        .correlate(Task)
        .scalar_subquery(),
    )


def _holds(assignment: type[Assignment]) -> sa.ColumnElement[bool]:
    return assignment.state.in_((AssignmentState.RESERVED, AssignmentState.SUBMITTED))


def _holds_unless_lapsed(assignment: type[Assignment]) -> sa.ColumnElement[bool]:
    return sa.or_(
        assignment.state == AssignmentState.SUBMITTED,
        sa.and_(assignment.state == AssignmentState.RESERVED, assignment.lease_until >= now()),
    )


lowest_free_slot = _lowest_free(_holds)
has_free_slot = lowest_free_slot < slots_needed

would_have_free_slot = _lowest_free(_holds_unless_lapsed) < slots_needed
"""Whether the task has a free slot as soon as its leases that ran out are ended."""

not_archived = sa.and_(Task.archived_at.is_(None), Project.archived_at.is_(None))
"""Needs Task and Project."""

open_to_work = sa.and_(not_archived, Volume.state == VolumeState.READY, Label.deleted_at.is_(None))
"""Whether the task may be given to somebody. Needs Task, Volume, Label and Project."""


def label_allowed(membership: Membership) -> sa.ColumnElement[bool]:
    """Whether the person is given tasks of that label. Needs Label."""
    if membership.label_indices is None:
        return sa.true()
    return Label.index.in_(membership.label_indices)


_missing = slots_needed - submitted
next_first = (
    Task.priority,
    sa.case((_missing > 0, _missing), else_=0),
    Task.created_at,
    Task.id,
)
"""The order in which tasks are given out, ``core.distribution.next_task_key``."""


def takeable(account_id: UUID, *chosen: sa.ColumnElement[bool]) -> sa.Select[UUID, int]:
    """The first of the ``chosen`` tasks that the account may be given, and its lowest free slot.

    Whether it has a free slot is for the caller to choose: ``has_free_slot`` or ``would_have_free_slot``.
    """
    mine = aliased(Assignment)
    return (
        sa.select(Task.id, lowest_free_slot.label("slot"))
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(
            open_to_work,
            ~sa.exists().where(mine.task_id == Task.id, mine.account_id == account_id),
            *chosen,
        )
        .order_by(*next_first)
        .limit(1)
    )


def keep(session: Session, assignment_id: UUID) -> Assignment | None:
    """Renew a lease that nobody ended, unless the task is archived."""
    lease_s = session.get_one(Assignment, assignment_id).lease_s
    alive = sa.exists().where(
        Task.id == Assignment.task_id,
        Volume.id == Task.volume_id,
        Project.id == Volume.project_id,
        not_archived,
    )
    return change(session, assignment_id, AssignmentState.RESERVED, alive, lease_until=now(lease_s))


def revive(
    session: Session, assignment_id: UUID, *, taken_back: bool = False, as_new: bool = False
) -> Assignment | None:
    """Give an assignment that lost its slot a free one of the same task.

    Args:
        taken_back: also after it was taken or given back.
        as_new: only when the task could be given to anybody; otherwise its being not archived is enough.
    """
    lost = [AssignmentState.EXPIRED, *([AssignmentState.TAKEN_BACK] if taken_back else [])]
    attempt = session.begin_nested()  # a failed attempt must not keep its task locked
    assignment = session.get_one(Assignment, assignment_id, with_for_update=True, populate_existing=True)
    revived = None
    if assignment.state in lost:
        chosen = Task.id == assignment.task_id
        session.execute(sa.select(Task.id).where(chosen).with_for_update(key_share=True))
        _end_lapsed(session, assignment.task_id)
        slot = session.scalar(
            sa.select(lowest_free_slot)
            .select_from(Task)
            .join(Volume, Volume.id == Task.volume_id)
            .join(Label, Label.id == Task.label_id)
            .join(Project, Project.id == Volume.project_id)
            .where(chosen, has_free_slot, open_to_work if as_new else not_archived)
        )
        if slot is not None:
            revived = change(
                session,
                assignment_id,
                assignment.state,
                state=AssignmentState.RESERVED,
                slot=slot,
                lease_until=now(assignment.lease_s),
            )
    if revived is None:
        attempt.rollback()
    else:
        attempt.commit()
    return revived


def grant(
    session: Session,
    account_id: UUID,
    *chosen: sa.ColumnElement[bool],
    lease_s: float,
    assigned_by: UUID | None = None,
) -> Assignment | None:
    """Give the account the first free slot of the ``chosen`` tasks, in one statement.

    On PostgreSQL it first passes over tasks that others are taking right now, so that many people spread at once;
    when nothing else is left it waits for them. A slot lost to somebody else is no end: they got it, look again.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    skip_locked = True
    while True:
        free = takeable(account_id, *chosen, would_have_free_slot)
        attempt = session.begin_nested()  # a failed attempt must not keep its task locked
        task_id = session.scalar(free.with_for_update(of=Task, key_share=True, skip_locked=skip_locked))
        granted: Assignment | None = None
        if task_id is not None:
            _end_lapsed(session, task_id)
            slot = takeable(account_id, *chosen, has_free_slot, Task.id == task_id).add_columns(
                sa.literal(new_id(), sa.Uuid()),
                sa.literal(account_id, sa.Uuid()),
                sa.literal(AssignmentState.RESERVED, Assignment.state.type),
                sa.literal(float(lease_s), sa.Float()),
                now(lease_s),
                now(),
                sa.literal(assigned_by, sa.Uuid()),
            )
            granted = session.scalar(
                insert(Assignment)
                .from_select(
                    [
                        "task_id",
                        "slot",
                        "id",
                        "account_id",
                        "state",
                        "lease_s",
                        "lease_until",
                        "created_at",
                        "assigned_by",
                    ],
                    slot,
                )
                .on_conflict_do_nothing()
                .returning(Assignment)
            )
        if granted is not None:
            attempt.commit()
            return granted
        attempt.rollback()
        if session.execute(free).first() is None:
            return None
        skip_locked = False


def _end_lapsed(session: Session, task_id: UUID) -> None:
    """For who holds the task."""
    session.execute(
        sa.update(Assignment)
        .where(
            Assignment.task_id == task_id,
            Assignment.state == AssignmentState.RESERVED,
            Assignment.lease_until < now(),
        )
        .values(state=AssignmentState.EXPIRED)
        .execution_options(synchronize_session=False)
    )


def change(
    session: Session,
    assignment_id: UUID,
    current: AssignmentState,
    *conditions: sa.ColumnElement[bool],
    **values: object,
) -> Assignment | None:
    """Change the assignment if it is in the state ``current``; returns the row as it now stands, or None."""
    return session.scalar(
        sa.update(Assignment)
        .where(Assignment.id == assignment_id, Assignment.state == current, *conditions)
        .values(**values)
        .returning(Assignment)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
