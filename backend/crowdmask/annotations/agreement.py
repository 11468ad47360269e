"""How far people who have submitted the same task agree. For callers that checked the actor."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from crowdmask.annotations.queries import document_of
from crowdmask.assignments.slots import ANSWERED
from crowdmask.core.agreement import Agreement, agreement
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.models import Account, Annotation, Assignment, BoxAgreement, Label, Task, Volume

_COUNTS = sa.and_(Annotation.state.in_(ANSWERED), Assignment.state == AssignmentState.SUBMITTED)
"""Submitted work that has a place in its task: late work has none."""


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


def agreements(
    session: Session, *, project_id: UUID, accepted_only: bool = False
) -> dict[tuple[UUID, int], float]:
    """By (volume, label index) of the tasks that somebody has submitted: how far the people agree about the boxes, 0..1.

    It is the mean over every two of them of ``Agreement.box_score``; NaN for work of a single person.

    Args:
        accepted_only: of those alone whose work a reviewer has accepted.
    """
    return {
        (task.volume.id, task.label.index): fmean(scores) if scores else float("nan")
        for task in answered_tasks(session, project_id=project_id, accepted_only=accepted_only)
        for scores in [[found.box_score for _, _, found in task.pairs]]
    }


@dataclass(frozen=True, slots=True)
class TaskAgreement:
    """Of a task that two or more people have submitted: ``Agreement.box_score`` of the two who agree least."""

    lowest: float
    pairs: int


def record_box_agreements(session: Session, annotation: Annotation, *, task_id: UUID) -> None:
    """Keep how far a submitted annotation and every other submitted one of its task agree about the boxes."""
    document = document_of(annotation)
    for other in session.scalars(
        sa.select(Annotation)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .where(Assignment.task_id == task_id, Annotation.id != annotation.id, _COUNTS)
    ):
        first, second = sorted((annotation, other), key=lambda one: one.id)
        found = session.scalar(
            sa.select(BoxAgreement).where(BoxAgreement.one_id == first.id, BoxAgreement.other_id == second.id)
        )
        if found is None:
            found = BoxAgreement(one_id=first.id, other_id=second.id)
            session.add(found)
        found.one_revision, found.other_revision = first.revision, second.revision
        found.box_score = agreement(document, document_of(other)).box_score
    session.flush()


def task_agreements(session: Session, *, task_ids: Collection[UUID]) -> dict[UUID, TaskAgreement]:
    """The agreement of those of the tasks that two or more people have submitted.

    What was kept at submitting is read; pairs of an earlier version, of whom nothing was kept, are compared now.
    """
    works: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)
    for task_id, annotation_id, revision in session.execute(
        sa.select(Assignment.task_id, Annotation.id, Annotation.revision)
        .join(Annotation, Annotation.assignment_id == Assignment.id)
        .where(Assignment.task_id.in_(task_ids), _COUNTS)
    ):
        works[task_id][annotation_id] = revision
    several = {task_id: done for task_id, done in works.items() if len(done) > 1}
    revisions = {
        annotation_id: revision for done in several.values() for annotation_id, revision in done.items()
    }
    kept = {
        (row.one_id, row.other_id): row.box_score
        for row in session.scalars(sa.select(BoxAgreement).where(BoxAgreement.one_id.in_(revisions)))
        if revisions.get(row.one_id) == row.one_revision and revisions.get(row.other_id) == row.other_revision
    }
    pairs = {task_id: list(combinations(sorted(done), 2)) for task_id, done in several.items()}
    missing = [pair for of_task in pairs.values() for pair in of_task if pair not in kept]
    kept |= _compared_now(session, missing)
    return {
        task_id: TaskAgreement(min(kept[pair] for pair in of_task), len(of_task))
        for task_id, of_task in pairs.items()
    }


def _compared_now(session: Session, pairs: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], float]:
    if not pairs:
        return {}
    ids = {annotation_id for pair in pairs for annotation_id in pair}
    documents = {
        annotation.id: document_of(annotation)
        for annotation in session.scalars(sa.select(Annotation).where(Annotation.id.in_(ids)))
    }
    return {(one, other): agreement(documents[one], documents[other]).box_score for one, other in pairs}


def agrees_at_most(score: float) -> sa.ColumnElement[bool]:
    """Whether two people who submitted the task agree that little about the boxes, or nothing is kept of two: those are to be
    looked at with ``task_agreements``."""
    one, other = aliased(Annotation), aliased(Annotation)
    of_one, of_other = aliased(Assignment), aliased(Assignment)
    kept = sa.exists().where(
        BoxAgreement.one_id == one.id,
        BoxAgreement.other_id == other.id,
        BoxAgreement.one_revision == one.revision,
        BoxAgreement.other_revision == other.revision,
        BoxAgreement.box_score > score,
    )
    return sa.exists().where(
        of_one.task_id == Task.id,
        of_other.task_id == Task.id,
        one.assignment_id == of_one.id,
        other.assignment_id == of_other.id,
        one.id < other.id,
        *(work.state.in_(ANSWERED) for work in (one, other)),
        *(place.state == AssignmentState.SUBMITTED for place in (of_one, of_other)),
        ~kept,
    )


def answered_tasks(session: Session, *, project_id: UUID, accepted_only: bool = False) -> list[AnsweredTask]:
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
            _COUNTS,
            Annotation.state == AnnotationState.ACCEPTED if accepted_only else sa.true(),
        )
        .order_by(Volume.name, Volume.id, Label.index, Annotation.submitted_at, Annotation.id)
    )
    works: defaultdict[tuple[Volume, Label], list[SubmittedWork]] = defaultdict(list)
    for volume, label, annotation, annotator in rows:
        works[volume, label].append(
            SubmittedWork(annotation.id, annotation.revision, annotator, document_of(annotation))
        )
    return [AnsweredTask(volume, label, tuple(done)) for (volume, label), done in works.items()]
