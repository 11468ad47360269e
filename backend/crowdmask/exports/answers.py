"""What people have answered to a project's tasks, read for a dataset in one transaction."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.assignments.slots import ANSWERED
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.models import Annotation, Assignment, Label, Segmentation, Task

Place = tuple[UUID, int]
"""A volume's id and a label's integer in the project: one task."""


@dataclass(frozen=True, eq=False)
class Given:
    """One person's work on a task; ``absent``: it says that the label is not in the volume; ``accepted``: by a reviewer.

    ``document`` is read of work that is not submitted: what was submitted is complete. ``mask``: of the submitted revision.
    """

    annotation_id: UUID
    account_id: UUID
    revision: int
    absent: bool
    accepted: bool
    mask: Segmentation | None
    document: AnnotationDocument | None

    @property
    def submitted(self) -> bool:
        return self.document is None


@dataclass(frozen=True, eq=False)
class AskedFor:
    """A task: how many people it asks for, and what was given, the first submitted first and unfinished work last."""

    overlap: int
    given: tuple[Given, ...]


def read_answers(session: Session, project_id: UUID, *, unfinished: bool) -> Mapping[Place, AskedFor]:
    """The tasks of a project by volume and label.

    Late work fills no slot and counts nowhere, nor does work that was taken back.

    Args:
        unfinished: whether work that is not submitted counts, of people who have the task or whose time ran out.
    """
    given: defaultdict[Place, list[tuple[bool, datetime, UUID, Given]]] = defaultdict(list)
    for row in session.execute(_statement(project_id, unfinished=unfinished)):
        annotation, account_id, place = row.Annotation, row.account_id, (row.volume_id, row.label_index)
        submitted = annotation.state in ANSWERED
        work = Given(
            annotation_id=annotation.id,
            account_id=account_id,
            revision=annotation.submitted_revision if submitted else annotation.revision,
            absent=annotation.not_in_volume,
            accepted=annotation.state is AnnotationState.ACCEPTED,
            mask=row.Segmentation if submitted else None,
            document=None if submitted else AnnotationDocument.from_json(annotation.document),
        )
        at = annotation.submitted_at if submitted else annotation.created_at
        given[place].append((not submitted, at, annotation.id, work))
    tasks = session.execute(
        sa.select(Task.volume_id, Label.index, Task.overlap)
        .join(Label, Label.id == Task.label_id)
        .where(Label.project_id == project_id)
    )
    return {
        (volume_id, index): AskedFor(
            overlap, tuple(work for *_, work in sorted(given[volume_id, index], key=lambda entry: entry[:3]))
        )
        for volume_id, index, overlap in tasks
    }


def _statement(project_id: UUID, *, unfinished: bool) -> sa.Select[UUID, int, UUID, Annotation, Segmentation]:
    submitted = sa.and_(Annotation.state.in_(ANSWERED), Assignment.state == AssignmentState.SUBMITTED)
    at_work = sa.and_(
        Annotation.state.in_((AnnotationState.OPEN, AnnotationState.RETURNED)),
        Assignment.state.in_((AssignmentState.RESERVED, AssignmentState.EXPIRED)),
        Annotation.revision > 0,
    )
    return (
        sa.select(
            Task.volume_id, Label.index.label("label_index"), Assignment.account_id, Annotation, Segmentation
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .outerjoin(
            Segmentation,
            (Segmentation.annotation_id == Annotation.id)
            & (Segmentation.revision == Annotation.submitted_revision),
        )
        .where(Label.project_id == project_id, sa.or_(submitted, at_work) if unfinished else submitted)
    )
