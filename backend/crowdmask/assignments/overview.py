"""What cards and tables show of tasks and assignments."""

import math
from collections import defaultdict
from collections.abc import Collection
from statistics import median
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import slots
from crowdmask.assignments.policy import require_sees_all
from crowdmask.assignments.queries import active_seconds, task_overview
from crowdmask.assignments.schemas import AssignmentAnswer, MyProgressAnswer, TaskAnswer, WorkAnswer
from crowdmask.core.completeness import Completeness, completeness
from crowdmask.core.errors import Corrupt, ErrorCode, NotFound
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Annotation,
    Assignment,
    GuidePicture,
    Label,
    Membership,
    Project,
    Role,
    Task,
    Volume,
)
from crowdmask.projects.queries import takes_part
from crowdmask.projects.schemas import LabelAnswer, PictureAnswer

MOST_ASSIGNMENTS = 1000
"""Of one list; the later ones in its order are left out."""

_S_PER_BOX = 9.1  # per drawn box, in the study this follows (docs/benchmarks.md)
_S_PER_LOOK = 0.35  # a look at one slice, while scrubbing
_KEY_SLICES = 5  # every so many slices a box is drawn; those between are filled in
_ENOUGH_TO_MEASURE = 5
_RECENT = 20


def task_answers(
    session: Session, actor: Actor, *, project_id: UUID, task_ids: Collection[UUID] | None = None
) -> list[TaskAnswer]:
    """The tasks of a project, by volume name and label; only ``task_ids``, if given.

    Raises:
        NotFound: the actor is no member. NotAllowed: an annotator.
    """
    require_sees_all(session, actor, project_id)
    wanted = None if task_ids is None else frozenset(task_ids)
    return [
        TaskAnswer(
            id=task.task_id,
            volume_id=task.volume_id,
            volume_name=task.volume_name,
            label_index=task.label_index,
            label_name=task.label_name,
            overlap=task.overlap,
            priority=task.priority,
            state=task.progress.state,
            submitted=task.progress.submitted,
            needed=task.progress.needed,
            reserved=task.reserved,
        )
        for task in task_overview(session, actor, project_id=project_id)
        if wanted is None or task.task_id in wanted
    ]


def assignment_answer(
    session: Session, actor: Actor, storage: LocalStorage, assignment_id: UUID
) -> AssignmentAnswer:
    """The actor's assignment.

    Raises:
        NotFound: ``not_found``, also for somebody else's.
    """
    found = _answers(session, storage, actor, Assignment.id == assignment_id)
    if not found:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no assignment {assignment_id}.")
    return found[0]


def own_assignments(
    session: Session,
    actor: Actor,
    storage: LocalStorage,
    *,
    project_id: UUID | None = None,
    open_only: bool = False,
) -> list[AssignmentAnswer]:
    """The actor's assignments in the projects where they still are: returned, reserved, submitted, expired, taken back.

    The newest first in each of these.

    Args:
        open_only: what the actor can go on with: not submitted (late work neither), not taken or given back, not archived.
    """
    conditions = [takes_part(actor, Volume.project_id)]
    if project_id is not None:
        conditions.append(Volume.project_id == project_id)
    if open_only:
        conditions += [
            Assignment.state.in_((AssignmentState.RESERVED, AssignmentState.EXPIRED)),
            sa.or_(Annotation.id.is_(None), Annotation.state.not_in(slots.ANSWERED)),
            slots.not_archived,
        ]
    return _answers(session, storage, actor, *conditions)


def own_progress(session: Session, actor: Actor) -> list[MyProgressAnswer]:
    """What the actor has done, in every project that they take part in, by its name.

    ``boxes_drawn`` counts the boxes that a person made and that stand in the work now. ``available`` counts new tasks: what is
    reserved for the actor already is not among them.
    """
    memberships = session.execute(
        sa.select(Membership, Project)
        .join(Project, Project.id == Membership.project_id)
        .where(Membership.account_id == actor.account_id)
        .order_by(Project.name, Project.id)
    ).all()
    works: defaultdict[UUID, list[tuple[AssignmentState, AnnotationState, Completeness]]] = defaultdict(list)
    rows = session.execute(
        sa.select(
            Volume.project_id, Assignment.state, Annotation.id, Annotation.state, Annotation.completeness
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Assignment.account_id == actor.account_id)
    ).all()
    counted = completeness_by_id(session, {row[2]: row[4] for row in rows})
    for project_id, assignment_state, annotation_id, state, _ in rows:
        works[project_id].append((assignment_state, state, counted[annotation_id]))
    available = _available(session, actor, [membership for membership, _ in memberships])
    return [
        MyProgressAnswer(
            project_id=project.id,
            submitted=sum(state is AssignmentState.SUBMITTED for state, _, _ in works[project.id]),
            accepted=sum(state is AnnotationState.ACCEPTED for _, state, _ in works[project.id]),
            slices_decided=sum(decided.decided for _, _, decided in works[project.id]),
            boxes_drawn=sum(decided.boxes for _, _, decided in works[project.id]),
            available=available.get(project.id, 0),
        )
        for _, project in memberships
    ]


def completeness_by_id(
    session: Session, stored: dict[UUID, dict[str, Any] | None]
) -> dict[UUID, Completeness]:
    """By annotation: how much is decided. Documents are read, all at once, only where a row of an earlier version lacks it."""
    missing = [annotation_id for annotation_id, found in stored.items() if found is None]
    documents: dict[UUID, dict[str, Any]] = {}
    if missing:
        rows = session.execute(
            sa.select(Annotation.id, Annotation.document).where(Annotation.id.in_(missing))
        )
        documents = {annotation_id: document for annotation_id, document in rows}  # noqa: C416
    return {
        annotation_id: completeness(AnnotationDocument.from_json(documents[annotation_id]))
        if found is None
        else Completeness.from_json(found)
        for annotation_id, found in stored.items()
    }


def _available(session: Session, actor: Actor, memberships: Collection[Membership]) -> dict[UUID, int]:
    allowed = [
        sa.and_(Volume.project_id == membership.project_id, slots.label_allowed(membership))
        for membership in memberships
        if membership.role is not Role.RESEARCHER
    ]
    rows = session.execute(
        sa.select(Volume.project_id, sa.func.count())
        .select_from(Task)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(
            sa.or_(sa.false(), *allowed),
            slots.open_to_work,
            slots.would_have_free_slot,
            ~sa.exists().where(Assignment.task_id == Task.id, Assignment.account_id == actor.account_id),
        )
        .group_by(Volume.project_id)
    )
    return {project_id: n for project_id, n in rows}  # noqa: C416


def _answers(
    session: Session, storage: LocalStorage, actor: Actor, *conditions: sa.ColumnElement[bool]
) -> list[AssignmentAnswer]:
    """The actor's assignments of these conditions; a fixed number of statements, however many they are."""
    order = sa.case(
        (Annotation.state == AnnotationState.RETURNED, 0),
        (Assignment.state == AssignmentState.RESERVED, 1),
        (Assignment.state == AssignmentState.SUBMITTED, 2),
        (Assignment.state == AssignmentState.EXPIRED, 3),
        else_=4,
    )
    rows = session.execute(
        sa.select(
            Assignment,
            Volume,
            Label,
            Project,
            Annotation.id,
            Annotation.revision,
            Annotation.state,
            Annotation.completeness,
            Annotation.submitted_at,
            Annotation.return_comment,
            Annotation.return_slice,
        )
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Assignment.account_id == actor.account_id, *conditions)
        .order_by(order, Assignment.created_at.desc(), Assignment.id.desc())
        .limit(MOST_ASSIGNMENTS)
        .execution_options(populate_existing=True)
    ).all()
    labels = {label.id: label for _, _, label, *_ in rows}
    pictures = _pictures(session, labels)
    measured = _measured_minutes(session, labels)
    counted = completeness_by_id(session, {row[4]: row[7] for row in rows if row[4] is not None})
    megabytes = {volume.id: _megabytes(storage, volume.pack_sha256) for _, volume, *_ in rows}
    return [
        AssignmentAnswer(
            id=assignment.id,
            task_id=assignment.task_id,
            project_id=project.id,
            project_name=project.name,
            label_heading=project.label_heading,
            volume_id=volume.id,
            volume_name=volume.name,
            n_slices=volume.depth or 0,
            label=LabelAnswer(
                index=label.index, name=label.name, guide=label.guide, pictures=pictures[label.id]
            ),
            state=assignment.state,
            lease_until=assignment.lease_until,
            assigned=assignment.assigned_by is not None,
            late=assignment.state not in (AssignmentState.RESERVED, AssignmentState.SUBMITTED),
            megabytes=megabytes[volume.id],
            minutes=measured.get(label.id) or estimated_minutes(volume.depth or 0),
            work=None
            if annotation_id is None
            else WorkAnswer(
                annotation_id=annotation_id,
                revision=revision,
                state=state,
                share=counted[annotation_id].share,
                gaps=counted[annotation_id].n_gaps,
                submitted_at=submitted_at,
                return_comment=return_comment,
                return_slice=return_slice,
            ),
        )
        for (
            assignment,
            volume,
            label,
            project,
            annotation_id,
            revision,
            state,
            _,
            submitted_at,
            return_comment,
            return_slice,
        ) in rows
    ]


def estimated_minutes(n_slices: int) -> int:
    """About how long a task takes, before anybody has done some like it: at least 1.

    A box on every 5th slice at 9.1 s each, and a look of 0.35 s at each slice; as if the label were on all of them, so rather
    too long than too short.
    """
    seconds = math.ceil(n_slices / _KEY_SLICES) * _S_PER_BOX + n_slices * _S_PER_LOOK
    return max(1, round(seconds / 60))


def _measured_minutes(session: Session, label_ids: Collection[UUID]) -> dict[UUID, int]:
    """By label: the median time that its last 20 submitted annotations took, where there are at least 5 with times."""
    if not label_ids:
        return {}
    recent = (
        sa.select(
            Annotation.id,
            Task.label_id,
            sa.func.row_number()
            .over(partition_by=Task.label_id, order_by=(Annotation.submitted_at.desc(), Annotation.id))
            .label("n"),
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .where(Annotation.state.in_(slots.ANSWERED), Task.label_id.in_(label_ids))
        .subquery()
    )
    of_label = sa.select(recent.c.id).where(recent.c.n <= _RECENT)
    active = active_seconds(Annotation.id.in_(of_label))
    seconds: defaultdict[UUID, list[float]] = defaultdict(list)
    for label_id, took in session.execute(
        sa.select(recent.c.label_id, active.c.seconds).join(active, active.c.annotation_id == recent.c.id)
    ):
        if took > 0:
            seconds[label_id].append(took)
    return {
        label_id: max(1, round(median(took) / 60))
        for label_id, took in seconds.items()
        if len(took) >= _ENOUGH_TO_MEASURE
    }


def _pictures(session: Session, label_ids: Collection[UUID]) -> defaultdict[UUID, list[PictureAnswer]]:
    """By label: the pictures of its guide, in the order they were added."""
    found: defaultdict[UUID, list[PictureAnswer]] = defaultdict(list)
    rows = session.scalars(
        sa.select(GuidePicture)
        .where(GuidePicture.label_id.in_(label_ids))
        .order_by(GuidePicture.created_at, GuidePicture.id)
    )
    for picture in rows:
        url = f"/api/v1/guide-pictures/{picture.id}"
        found[picture.label_id].append(PictureAnswer(id=picture.id, caption=picture.caption, url=url))
    return found


def _megabytes(storage: LocalStorage, pack_sha256: str | None) -> float:
    """Of the slice pack; 0 when it is not there (it is being made anew)."""
    if pack_sha256 is None:
        return 0.0
    try:
        return round(storage.path(pack_sha256).stat().st_size / 1e6, 1)
    except (Corrupt, OSError):
        return 0.0
