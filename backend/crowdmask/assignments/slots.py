"""The slots of a task as SQL, so that a free one is found and taken in one statement.

A task has the slots 0, 1, ...; who is ``reserved`` or ``submitted`` holds one. The rules are those of
``core.distribution``, said again in SQL (a test compares the two).
"""

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from crowdmask.core.lifecycle import AnnotationState, AssignmentState, VolumeState
from crowdmask.infra.db import now
from crowdmask.models import Annotation, Assignment, Label, Project, Task, Volume

ANSWERED = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED)

_at_zero = aliased(Assignment)
_held = aliased(Assignment)
_following = aliased(Assignment)
_answering = aliased(Assignment)
_submitted = aliased(Assignment)


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
