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
class AnsweredTask:
    """A task and the work that was submitted of it, the first first."""

    volume: Volume
    label: Label
    works: tuple[SubmittedWork, ...]

    @property
    def pairs(self) -> list[tuple[SubmittedWork, SubmittedWork, Agreement]]:
        """Every two people's work and how far they agree."""
        return [
            (one, other, agreement(one.document, other.document))
            for one, other in combinations(self.works, 2)
        ]


def agreements(session: Session, *, project_id: UUID) -> dict[tuple[UUID, int], float]:
    """By (volume, label index) of the tasks that somebody has submitted: how far the people agree about the boxes, 0..1.

    It is the mean over every two of them of ``Agreement.box_score``; NaN for work of a single person.
    """
    return {
        (task.volume.id, task.label.index): fmean(scores) if scores else float("nan")
        for task in answered_tasks(session, project_id=project_id)
        for scores in [[found.box_score for _, _, found in task.pairs]]
    }


def answered_tasks(session: Session, *, project_id: UUID) -> list[AnsweredTask]:
    """The tasks that somebody has submitted, by volume name and label.

    Submitted work is frozen: its current document is the submitted one. Late work fills no slot and is left out.
    """
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
    return [AnsweredTask(volume, label, tuple(done)) for (volume, label), done in works.items()]
