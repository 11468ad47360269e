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
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.assignments.policy import require_admin, require_annotator
from crowdmask.assignments.queries import administered_assignment, own_assignment, visible_task
from crowdmask.core.errors import Conflict, ErrorCode, NotFound
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import ASSIGNMENT_STEPS, AssignmentState, VolumeState, step
from crowdmask.infra.db import now
from crowdmask.models import Annotation, Assignment, Label, Membership, Project, Task, Volume
from crowdmask.projects.service import checked_overlap


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
    """Give the actor something to do: what they have reserved, else what they began and lost, else a new task.

    What an admin took back is not offered again; ``claim`` can still ask for it. What the actor handed in late is no
    work: it fills a slot that is free by now.

    Args:
        lease_s: how long a new slot stays reserved; every save renews it by as much.

    Returns:
        The assignment, reserved; None when there is no work for this person now.

    Raises:
        NotFound: the actor is no member. NotAllowed: a researcher.
    """
    require_annotator(session, actor, project_id)
    _one_claim_at_a_time(session, actor, project_id)
    in_project = Volume.project_id == project_id
    reserved = _own(session, actor, in_project, AssignmentState.RESERVED)
    lost = _own(session, actor, in_project, AssignmentState.EXPIRED)
    handed_in = _handed_in(session, [*reserved, *lost])
    for assignment_id in reserved:
        if assignment_id not in handed_in and (kept := _keep(session, assignment_id)):
            return kept
    work: Assignment | None = None
    for assignment_id in lost:
        if assignment_id not in handed_in and work is None:
            work = _revive(session, assignment_id, open_to_work=True)
    work = work or _grant(session, actor, in_project, lease_s)
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
        NotFound: no such task in the actor's projects. NotAllowed: a researcher.
        Conflict: ``not_open`` when the actor has submitted this task.
    """
    _, project_id = visible_task(session, actor, task_id)
    require_annotator(session, actor, project_id)
    _one_claim_at_a_time(session, actor, project_id)
    chosen = Task.id == task_id
    mine = session.scalar(
        sa.select(Assignment)
        .where(Assignment.task_id == task_id, Assignment.account_id == actor.account_id)
        .execution_options(populate_existing=True)
    )
    if mine is None:
        return _grant(session, actor, chosen, lease_s)
    if mine.state is AssignmentState.SUBMITTED:
        raise Conflict(
            ErrorCode.NOT_OPEN, "You have submitted this task.", hint="Reopen your work to change it."
        )
    if _handed_in(session, [mine.id]):
        return fill_slot(session, mine.id, taken_back=True)
    return _keep(session, mine.id) or _revive(session, mine.id, taken_back=True, open_to_work=True)


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


def hold(session: Session, assignment_id: UUID) -> Assignment | None:
    """Keep the slot, or take a free one when the lease had ended; None when there is none to be had.

    For the stage that saves annotations, has checked the actor and holds the annotation, which is open.
    """
    return _keep(session, assignment_id) or _revive(session, assignment_id)


def fill_slot(session: Session, assignment_id: UUID, *, taken_back: bool = False) -> Assignment | None:
    """The annotation was submitted: fill the slot, or a free one when the lease had ended.

    Args:
        taken_back: also after an admin took it back.

    Returns:
        The assignment, submitted; None when nothing was filled: it is filled already, or the work is late.
    """
    held = _keep(session, assignment_id) or _revive(session, assignment_id, taken_back=taken_back)
    if held is None:
        return None
    return _change(session, assignment_id, AssignmentState.RESERVED, state=AssignmentState.SUBMITTED)


def reopen_slot(session: Session, assignment_id: UUID) -> Assignment | None:
    """The annotation was reopened: its filled slot is reserved again. None when it holds none."""
    lease_s = session.get_one(Assignment, assignment_id).lease_s
    return _change(
        session,
        assignment_id,
        AssignmentState.SUBMITTED,
        state=AssignmentState.RESERVED,
        lease_until=now(lease_s),
    )


def _one_claim_at_a_time(session: Session, actor: Actor, project_id: UUID) -> None:
    """A double click must not reserve two tasks: the second claim of a person waits for the first."""
    session.execute(
        sa.select(Membership.id)
        .where(Membership.project_id == project_id, Membership.account_id == actor.account_id)
        .with_for_update(key_share=True)
    )


def _own(
    session: Session, actor: Actor, chosen: sa.ColumnElement[bool], state: AssignmentState
) -> Sequence[UUID]:
    """Oldest first."""
    return session.scalars(
        sa.select(Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Assignment.account_id == actor.account_id, Assignment.state == state, chosen)
        .order_by(Assignment.created_at, Assignment.id)
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


def _keep(session: Session, assignment_id: UUID) -> Assignment | None:
    """Renew a lease that nobody ended, unless the task is archived."""
    lease_s = session.get_one(Assignment, assignment_id).lease_s
    alive = sa.exists().where(
        Task.id == Assignment.task_id,
        Volume.id == Task.volume_id,
        Project.id == Volume.project_id,
        slots.not_archived,
    )
    return _change(session, assignment_id, AssignmentState.RESERVED, alive, lease_until=now(lease_s))


def _revive(
    session: Session, assignment_id: UUID, *, taken_back: bool = False, open_to_work: bool = False
) -> Assignment | None:
    """Give an assignment that lost its slot a free one of the same task.

    Args:
        taken_back: also after an admin took it back.
        open_to_work: only when the task could be given to anybody; otherwise its being not archived is enough.
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
            sa.select(slots.lowest_free_slot)
            .select_from(Task)
            .join(Volume, Volume.id == Task.volume_id)
            .join(Label, Label.id == Task.label_id)
            .join(Project, Project.id == Volume.project_id)
            .where(chosen, slots.has_free_slot, slots.open_to_work if open_to_work else slots.not_archived)
        )
        if slot is not None:
            revived = _change(
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


def _change(
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


def _reloaded(session: Session, assignment: Assignment) -> Assignment:
    session.refresh(assignment)
    return assignment


def _grant(
    session: Session, actor: Actor, chosen: sa.ColumnElement[bool], lease_s: float
) -> Assignment | None:
    """Take the first free slot in one statement.

    On PostgreSQL it first passes over tasks that others are taking right now, so that many people spread at once;
    when nothing else is left it waits for them. A slot lost to somebody else is no end: they got it, look again.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    skip_locked = True
    while True:
        free = slots.takeable(actor.account_id, chosen, slots.would_have_free_slot)
        attempt = session.begin_nested()  # a failed attempt must not keep its task locked
        task_id = session.scalar(free.with_for_update(of=Task, key_share=True, skip_locked=skip_locked))
        granted: Assignment | None = None
        if task_id is not None:
            _end_lapsed(session, task_id)
            slot = slots.takeable(
                actor.account_id, chosen, slots.has_free_slot, Task.id == task_id
            ).add_columns(
                sa.literal(new_id(), sa.Uuid()),
                sa.literal(actor.account_id, sa.Uuid()),
                sa.literal(AssignmentState.RESERVED, Assignment.state.type),
                sa.literal(float(lease_s), sa.Float()),
                now(lease_s),
                now(),
            )
            granted = session.scalar(
                insert(Assignment)
                .from_select(
                    ["task_id", "slot", "id", "account_id", "state", "lease_s", "lease_until", "created_at"],
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
