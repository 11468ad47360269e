"""Making tasks and giving out their slots.

A slot is granted by one statement; the partial unique index ``uq_assignment_live_slot`` makes a second grant of it
impossible. A lease that ran out ends only when somebody takes its slot, so coming back late costs nothing unless
the slot was taken. Work that was handed in without a slot is never reserved again: when its annotator comes back and
a slot is free, it fills that.

Locks are always taken in the order membership, own annotations, own assignment, task, assignments of that task whose
lease ran out; and whoever gives out a slot or ends a lease holds the task. Who holds one task takes another only if
nobody else has it. So nobody waits in a circle.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.assignments.policy import require_admin, require_annotator
from crowdmask.assignments.queries import administered_assignment, own_assignment, visible_task
from crowdmask.core.errors import Conflict, ErrorCode, NotAllowed, NotFound
from crowdmask.core.lifecycle import ASSIGNMENT_STEPS, AnnotationState, AssignmentState, VolumeState, step
from crowdmask.infra.db import now
from crowdmask.models import Annotation, Assignment, Label, Membership, Project, Task, Volume
from crowdmask.projects import members as project_members
from crowdmask.projects.policy import require_consent
from crowdmask.projects.service import checked_overlap

_SENT_BACK_LEASE_S = 7 * 86400.0


def create_tasks(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    volume_ids: Collection[UUID],
    label_indices: Collection[int],
    overlap: int | None = None,
) -> list[Task]:
    """Make a task for every one of the volumes and labels. One that exists stays as it is.

    Args:
        overlap: how many people each new task needs; None: the project's number.

    Returns:
        The tasks of all pairs, old and new, in the order of the volumes, then of the labels.

    Raises:
        NotFound: a volume or label is not in the project; the actor is no member. NotAllowed: no admin.
        Conflict: ``not_open`` when a volume is quarantined.
        InvalidInput: ``option_invalid`` for the overlap.
    """
    require_admin(session, actor, project_id)
    project = session.get_one(
        Project, project_id, with_for_update=True
    )  # the same request twice at once waits
    people = project.overlap if overlap is None else checked_overlap(overlap)
    volumes = {
        volume.id: volume
        for volume in session.scalars(sa.select(Volume).where(Volume.project_id == project_id))
        if volume.id in volume_ids
    }
    labels = {
        label.index: label
        for label in session.scalars(
            sa.select(Label).where(Label.project_id == project_id, Label.deleted_at.is_(None))
        )
        if label.index in label_indices
    }
    for volume_id in volume_ids:
        if volume_id not in volumes:
            raise NotFound(ErrorCode.NOT_FOUND, f"There is no volume {volume_id}.")
        if volumes[volume_id].state is VolumeState.QUARANTINED:
            raise Conflict(
                ErrorCode.NOT_OPEN,
                f"The volume {volumes[volume_id].name!r} is quarantined: {volumes[volume_id].refusal_text}",
                hint="Delete it and upload a usable file.",
            )
    for index in label_indices:
        if index not in labels:
            raise NotFound(ErrorCode.NOT_FOUND, f"The project has no label {index}.")
    existing = {
        (task.volume_id, task.label_id): task
        for task in session.scalars(sa.select(Task).join(Volume).where(Volume.project_id == project_id))
    }
    tasks = []
    for volume_id in dict.fromkeys(volume_ids):
        for index in dict.fromkeys(label_indices):
            task = existing.get((volume_id, labels[index].id))
            if task is None:
                task = Task(volume_id=volume_id, label_id=labels[index].id, overlap=people)
                session.add(task)
            tasks.append(task)
    session.flush()
    return tasks


def claim_next(session: Session, actor: Actor, *, project_id: UUID, lease_s: float) -> Assignment | None:
    """Give the actor something to do: what they have reserved, else what they began and lost, else a new task; of these
    what was sent back comes first.

    Only labels that the actor's membership allows, unless an admin assigned it. What was taken or given back is not
    offered again; ``claim`` can still ask for it. What the actor handed in late is no
    work: it fills a slot that is free by now.

    Args:
        lease_s: how long a new slot stays reserved; every save renews it by as much.

    Returns:
        The assignment, reserved; None when there is no work for this person now.

    Raises:
        NotFound: the actor is no member. NotAllowed: a researcher; ``consent_needed``.
    """
    membership = require_annotator(session, actor, project_id)
    require_consent(session, actor, project_id)
    _one_claim_at_a_time(session, actor, project_id)
    in_project, allowed = Volume.project_id == project_id, slots.label_allowed(membership)
    reserved = _own(session, actor, in_project, AssignmentState.RESERVED)
    lost = _own(
        session,
        actor,
        sa.and_(in_project, sa.or_(allowed, Assignment.assigned_by.is_not(None))),
        AssignmentState.EXPIRED,
    )
    handed_in = _handed_in(session, [*reserved, *lost])
    for assignment_id in reserved:
        if assignment_id not in handed_in and (kept := slots.keep(session, assignment_id)):
            return kept
    work: Assignment | None = None
    for assignment_id in lost:
        if assignment_id not in handed_in and work is None:
            work = slots.revive(session, assignment_id, as_new=True)
    work = work or slots.grant(session, actor.account_id, in_project, allowed, lease_s=lease_s)
    for assignment_id in handed_in:
        if _at_hand(session, assignment_id):
            fill_slot(session, assignment_id)
    return work


def claim(session: Session, actor: Actor, *, task_id: UUID, lease_s: float) -> Assignment | None:
    """Give the actor a slot of one chosen task: their old one, when they had this task before.

    Returns:
        The assignment, reserved; or submitted, when it held no slot and what the actor had handed in fills one now.
        None when all slots are taken, or the task is archived or not ready.

    Raises:
        NotFound: no such task in the actor's projects.
        NotAllowed: a researcher; a label that the actor is given no tasks of; ``consent_needed``.
        Conflict: ``not_open`` when the actor has submitted this task.
    """
    task, project_id = visible_task(session, actor, task_id)
    membership = require_annotator(session, actor, project_id)
    require_consent(session, actor, project_id)
    _one_claim_at_a_time(session, actor, project_id)
    chosen = Task.id == task_id
    mine = session.scalar(
        sa.select(Assignment)
        .where(Assignment.task_id == task_id, Assignment.account_id == actor.account_id)
        .execution_options(populate_existing=True)
    )
    if mine is None:
        _check_label(session, membership, task)
        return slots.grant(session, actor.account_id, chosen, lease_s=lease_s)
    if mine.state is AssignmentState.SUBMITTED:
        raise Conflict(
            ErrorCode.NOT_OPEN, "You have submitted this task.", hint="Reopen your work to change it."
        )
    if _handed_in(session, [mine.id]):
        return fill_slot(session, mine.id, taken_back=True)
    return slots.keep(session, mine.id) or slots.revive(session, mine.id, taken_back=True, as_new=True)


def renew(session: Session, actor: Actor, *, assignment_id: UUID) -> Assignment:
    """Keep the actor's slot for another lease: also one whose lease ran out, if a slot of the task is free.

    Returns:
        The assignment. Its state says whether it holds a slot; when not (taken meanwhile, taken back, archived),
        work on it is late. Where the work has been handed in, the slot is filled instead.

    Raises:
        NotFound: not the actor's assignment.
    """
    assignment = own_assignment(session, actor, assignment_id)
    regain = fill_slot if _handed_in(session, [assignment_id]) else hold
    return regain(session, assignment_id) or _reloaded(session, assignment)


def take_back(session: Session, actor: Actor, *, assignment_id: UUID) -> Assignment:
    """Free the slot of an assignment. What its annotator saved, and still saves, stays in their own annotation.

    Raises:
        NotFound: no such assignment in a project where the actor is an admin.
    """
    assignment = administered_assignment(session, actor, assignment_id)
    if assignment.state is not AssignmentState.TAKEN_BACK:
        assignment.state = step(ASSIGNMENT_STEPS, assignment.state, AssignmentState.TAKEN_BACK)
        session.flush()
    return assignment


def give_back(session: Session, actor: Actor, *, assignment_id: UUID) -> Assignment:
    """Free the actor's own slot for somebody else. What was saved stays; "next task" does not offer the task again.

    Raises:
        NotFound: not the actor's assignment.
        Conflict: ``not_open`` when it is submitted.
    """
    assignment = own_assignment(session, actor, assignment_id, lock=True)
    if assignment.state is AssignmentState.SUBMITTED:
        raise Conflict(
            ErrorCode.NOT_OPEN,
            "You have submitted this task, so it cannot be given back.",
            hint="Reopen your work to change it.",
        )
    if assignment.state is not AssignmentState.TAKEN_BACK:
        assignment.state = step(ASSIGNMENT_STEPS, assignment.state, AssignmentState.TAKEN_BACK)
        session.flush()
    return assignment


def remove_member(session: Session, actor: Actor, *, project_id: UUID, account_id: UUID) -> None:
    """End a person's part in a project, and free the slots that are reserved for them. What they submitted stays.

    Raises:
        NotFound, NotAllowed, Conflict: see ``projects.members.remove_member``.
    """
    project_members.remove_member(session, actor, project_id=project_id, account_id=account_id)
    of_project = (
        sa.select(Task.id).join(Volume, Volume.id == Task.volume_id).where(Volume.project_id == project_id)
    )
    session.execute(
        sa.update(Assignment)
        .where(
            Assignment.account_id == account_id,
            Assignment.state == AssignmentState.RESERVED,
            Assignment.task_id.in_(of_project),
        )
        .values(state=AssignmentState.TAKEN_BACK)
        .execution_options(synchronize_session=False)
    )


def hold(session: Session, assignment_id: UUID) -> Assignment | None:
    """Keep the slot, or take a free one when the lease had ended; None when there is none to be had.

    For the stage that saves annotations, has checked the actor and holds the annotation, which is open.
    """
    return slots.keep(session, assignment_id) or slots.revive(session, assignment_id)


def fill_slot(session: Session, assignment_id: UUID, *, taken_back: bool = False) -> Assignment | None:
    """The annotation was submitted: fill the slot, or a free one when the lease had ended.

    Args:
        taken_back: also after it was taken or given back.

    Returns:
        The assignment, submitted; None when nothing was filled: it is filled already, or the work is late.
    """
    held = slots.keep(session, assignment_id) or slots.revive(session, assignment_id, taken_back=taken_back)
    if held is None:
        return None
    return slots.change(session, assignment_id, AssignmentState.RESERVED, state=AssignmentState.SUBMITTED)


def reopen_slot(session: Session, assignment_id: UUID, *, sent_back: bool = False) -> Assignment | None:
    """The annotation was reopened or sent back: its filled slot is reserved again. None when it holds none.

    Args:
        sent_back: its annotator may be away and has not asked for it, so from now on it is reserved for days each time.
    """
    lease_s = session.get_one(Assignment, assignment_id).lease_s
    if sent_back:
        lease_s = max(lease_s, _SENT_BACK_LEASE_S)
    return slots.change(
        session,
        assignment_id,
        AssignmentState.SUBMITTED,
        state=AssignmentState.RESERVED,
        lease_s=lease_s,
        lease_until=now(lease_s),
    )


def _one_claim_at_a_time(session: Session, actor: Actor, project_id: UUID) -> None:
    """A double click must not reserve two tasks: the second claim of a person waits for the first."""
    session.execute(
        sa.select(Membership.id)
        .where(Membership.project_id == project_id, Membership.account_id == actor.account_id)
        .with_for_update(key_share=True)
    )


def _check_label(session: Session, membership: Membership, task: Task) -> None:
    label = session.get_one(Label, task.label_id)
    if membership.label_indices is not None and label.index not in membership.label_indices:
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            f"In this project you are given no tasks of {label.name!r}.",
            hint="Take another task, or ask an admin of the project.",
        )


def _own(
    session: Session, actor: Actor, chosen: sa.ColumnElement[bool], state: AssignmentState
) -> Sequence[UUID]:
    """What was sent back first, then oldest first."""
    return session.scalars(
        sa.select(Assignment.id)
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .where(Assignment.account_id == actor.account_id, Assignment.state == state, chosen)
        .order_by(
            sa.case((Annotation.state == AnnotationState.RETURNED, 0), else_=1),
            Assignment.created_at,
            Assignment.id,
        )
    ).all()


def _handed_in(session: Session, assignment_ids: Collection[UUID]) -> list[UUID]:
    """Those whose work is submitted or accepted. Holds the annotations of all, so that this stays as it is."""
    rows = session.execute(
        sa.select(Annotation.assignment_id, Annotation.state)
        .where(Annotation.assignment_id.in_(assignment_ids))
        .order_by(Annotation.id)
        .with_for_update(key_share=True)
    )
    return [assignment_id for assignment_id, state in rows if state in slots.ANSWERED]


def _at_hand(session: Session, assignment_id: UUID) -> bool:
    """Hold the assignment and its task, unless somebody else does: for who holds a task and must not wait."""
    held = session.scalar(
        sa.select(Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .where(Assignment.id == assignment_id)
        .with_for_update(of=(Assignment, Task), key_share=True, skip_locked=True)
    )
    return held is not None


def _reloaded(session: Session, assignment: Assignment) -> Assignment:
    session.refresh(assignment)
    return assignment
