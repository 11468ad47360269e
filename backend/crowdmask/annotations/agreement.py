"""How far people who have submitted the same task agree. For callers that checked the actor."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.annotations.queries import document_of
from crowdmask.assignments.slots import ANSWERED
from crowdmask.core.agreement import Agreement, agreement
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.models import Account, Annotation, Assignment, Label, Task, Volume


@dataclass(frozen=True, eq=False)
class SubmittedWork:
    """One person's submitted annotation of a task."""

    annotation_id: UUID
    revision: int
    annotator: Account
    document: AnnotationDocument


@dataclass(frozen=True, eq=False)
class ComparedWork:
    """Two people's work on the same task; ``one`` was submitted first."""

    volume: Volume
    label: Label
    one: SubmittedWork
    other: SubmittedWork
    agreement: Agreement


def agreements(session: Session, *, project_id: UUID) -> dict[tuple[UUID, int], float]:
    """By (volume, label index) of the tasks that somebody has submitted: how far the people agree about the boxes, 0..1.

    It is the mean over every two of them of ``Agreement.box_score``; NaN for work of a single person.
    """
    return {
        (volume.id, label.index): _mean_score(works)
        for volume, label, works in _submitted_tasks(session, project_id)
    }


def compared_work(session: Session, *, project_id: UUID) -> list[ComparedWork]:
    """Every two people's submitted work on the same task, by volume name, label, and time of submission."""
    return [
        ComparedWork(volume, label, one, other, agreement(one.document, other.document))
        for volume, label, works in _submitted_tasks(session, project_id)
        for one, other in combinations(works, 2)
    ]


def _mean_score(works: list[SubmittedWork]) -> float:
    scores = [agreement(one.document, other.document).box_score for one, other in combinations(works, 2)]
    return fmean(scores) if scores else float("nan")


def _submitted_tasks(session: Session, project_id: UUID) -> list[tuple[Volume, Label, list[SubmittedWork]]]:
    """Submitted work is frozen: its current document is the submitted one. Late work fills no slot and is left out."""
    rows = session.execute(
        sa.select(Volume, Label, Annotation, Account)
        .select_from(Annotation)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Account, Account.id == Assignment.account_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(
            Volume.project_id == project_id,
            Annotation.state.in_(ANSWERED),
            Assignment.state == AssignmentState.SUBMITTED,
        )
        .order_by(Volume.name, Volume.id, Label.index, Annotation.submitted_at, Annotation.id)
    )
    works: defaultdict[tuple[Volume, Label], list[SubmittedWork]] = defaultdict(list)
    for volume, label, annotation, annotator in rows:
        works[volume, label].append(
            SubmittedWork(annotation.id, annotation.revision, annotator, document_of(annotation))
        )
    return [(volume, label, done) for (volume, label), done in works.items()]
