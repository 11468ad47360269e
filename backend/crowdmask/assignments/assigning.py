"""An admin chooses who works on what.

Each pair of a task and a person stands for itself: one that cannot be is named with its reason, in the words of the
screens, and the others are done. The locks are taken task by task in the order of the ids, of each task its assignments first, as
``assignments.service`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.assignments.policy import require_admin
from crowdmask.assignments.schemas import AssignAnswer, NotAssigned
from crowdmask.assignments.service import fill_slot
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.lifecycle import AssignmentState, VolumeState
from crowdmask.infra.db import now
from crowdmask.models import Account, Annotation, Assignment, Label, Membership, Project, Role, Task, Volume

MOST_PAIRS = 20_000
_DAY_S = 86_400
_ALL_TAKEN = "All places of this task are taken: raise the number of people per task."


@dataclass(frozen=True)
class _Person:
    name: str
    role: Role


def assign(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    task_ids: Sequence[UUID],
    account_ids: Sequence[UUID],
    days: int,
) -> AssignAnswer:
    """Reserve each of the tasks for each of the people, for ``days`` days; each save renews that by as much.

    An admin's choice outranks the organs that a person is given tasks of, and needs no consent yet: that is asked for when
    the person begins. Who gave a task back, or had it taken back, gets it again. Work that was handed in without a place
    gets one.

    Raises:
        NotFound: the actor is no member. NotAllowed: no admin.
        InvalidInput: ``option_invalid`` for too many pairs at once.
    """
    require_admin(session, actor, project_id)
    tasks, accounts = sorted(set(task_ids)), list(dict.fromkeys(account_ids))
    if len(tasks) * len(accounts) > MOST_PAIRS:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{len(tasks)} tasks for {len(accounts)} people are more than the {MOST_PAIRS} pairs that can be assigned at once.",
            hint="Assign them in several portions.",
        )
    people = _people(session, project_id, accounts)
    hindrances = _hindrances(session, project_id, tasks)
    assigned, refused = 0, []
    for task_id in tasks:
        hindrance = hindrances.get(task_id, "There is no such task in this project.")
        had = {} if hindrance else _had(session, task_id, accounts)
        full = False
        for account_id in accounts:
            reason = hindrance or _unfit(people.get(account_id)) or (_ALL_TAKEN if full else None)
            before = had.get(account_id)
            if before is not None and before.state is AssignmentState.SUBMITTED:
                reason = f"{people[account_id].name} has finished this task." if not hindrance else reason
            elif before is not None and before.state is AssignmentState.RESERVED and not before.ran_out:
                reason = f"{people[account_id].name} has this task already." if not hindrance else reason
            if reason is None:
                made = _reserve(
                    session,
                    actor,
                    task_id=task_id,
                    account_id=account_id,
                    before=before,
                    lease_s=days * _DAY_S,
                )
                assigned += made
                full = not made
                reason = None if made else _ALL_TAKEN
            if reason is not None:
                refused.append(NotAssigned(task_id=task_id, account_id=account_id, reason=reason))
    return AssignAnswer(assigned=assigned, not_assigned=refused)


@dataclass(frozen=True)
class _Before:
    """An assignment of this task that the person has or had. ``ran_out``: its lease is over."""

    assignment_id: UUID
    state: AssignmentState
    ran_out: bool
    handed_in: bool


def _reserve(
    session: Session,
    actor: Actor,
    *,
    task_id: UUID,
    account_id: UUID,
    before: _Before | None,
    lease_s: float,
) -> bool:
    if before is None:
        granted = slots.grant(
            session, account_id, Task.id == task_id, lease_s=lease_s, assigned_by=actor.account_id
        )
        return granted is not None
    if before.handed_in:
        return fill_slot(session, before.assignment_id, taken_back=True) is not None
    kept = slots.keep(session, before.assignment_id) or slots.revive(
        session, before.assignment_id, taken_back=True, as_new=True
    )
    if kept is None:
        return False
    changed = slots.change(
        session,
        before.assignment_id,
        AssignmentState.RESERVED,
        assigned_by=actor.account_id,
        lease_s=float(lease_s),
        lease_until=now(lease_s),
    )
    return changed is not None


def _people(session: Session, project_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, _Person]:
    rows = session.execute(
        sa.select(Membership.account_id, Account.name, Membership.role)
        .join(Account, Account.id == Membership.account_id)
        .where(Membership.project_id == project_id, Membership.account_id.in_(account_ids))
    )
    return {account_id: _Person(name, role) for account_id, name, role in rows}


def _unfit(person: _Person | None) -> str | None:
    if person is None:
        return "This person is no member of the project."
    if person.role is Role.RESEARCHER:
        return f"{person.name} is a researcher, who looks at the work of others and gets no tasks."
    return None


def _hindrances(session: Session, project_id: UUID, task_ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """Of every task of the project: why nobody can be given it now, or None."""
    rows = session.execute(
        sa.select(
            Task.id,
            sa.or_(Task.archived_at.is_not(None), Project.archived_at.is_not(None)),
            Volume.name,
            Volume.state,
            Label.name,
            Label.deleted_at,
        )
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Volume.project_id == project_id, Task.id.in_(task_ids))
    )
    found: dict[UUID, str | None] = {}
    for task_id, archived, volume_name, volume_state, label_name, label_deleted_at in rows:
        found[task_id] = None
        if archived:
            found[task_id] = "This task is archived."
        elif label_deleted_at is not None:
            found[task_id] = f"{label_name} was deleted from the project."
        elif volume_state is not VolumeState.READY:
            found[task_id] = f"The scan {volume_name} is not ready."
    return found


def _had(session: Session, task_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, _Before]:
    """The assignments of these people, held with their annotations until the transaction ends."""
    mine = sa.and_(Assignment.task_id == task_id, Assignment.account_id.in_(account_ids))
    works = session.execute(
        sa.select(Annotation.assignment_id, Annotation.state)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .where(mine)
        .order_by(Annotation.id)
        .with_for_update(of=Annotation, key_share=True)
    )
    handed_in = {assignment_id for assignment_id, state in works if state in slots.ANSWERED}
    rows = session.execute(
        sa.select(Assignment.id, Assignment.account_id, Assignment.state, Assignment.lease_until < now())
        .where(mine)
        .order_by(Assignment.id)
        .with_for_update(of=Assignment, key_share=True)
    )
    return {
        account_id: _Before(assignment_id, state, bool(ran_out), assignment_id in handed_in)
        for assignment_id, account_id, state, ran_out in rows
    }
