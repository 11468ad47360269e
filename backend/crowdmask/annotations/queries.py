"""Reading annotations. What the actor may not see is not there."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.errors import AcceptedBatch
from crowdmask.annotations.schemas import AnnotationAnswer, BatchAnswer
from crowdmask.core.completeness import Completeness, completeness
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.operations import apply_all, operation_from_json
from crowdmask.core.tracks import AnnotationDocument, empty_document
from crowdmask.models import Annotation, Assignment, OperationBatch, Role, Task, Volume
from crowdmask.projects.queries import takes_part

HOLDS_SLOT = (AssignmentState.RESERVED, AssignmentState.SUBMITTED)
_MAY_LOOK = (Role.ADMIN, Role.REVIEWER, Role.RESEARCHER)
_MAY_RETURN = (Role.ADMIN, Role.REVIEWER)


@dataclass(frozen=True)
class LockedAnnotation:
    """An annotation, held until the transaction ends, with what it is of."""

    annotation: Annotation
    assignment: Assignment
    volume: Volume


def own_annotation(session: Session, actor: Actor, annotation_id: UUID) -> LockedAnnotation:
    """The actor's own annotation, locked: who changes it waits for whoever is changing it.

    Raises:
        NotFound: ``not_found``, also for somebody else's.
    """
    return _locked(session, annotation_id, Assignment.account_id == actor.account_id)


def reviewed_annotation(session: Session, actor: Actor, annotation_id: UUID) -> LockedAnnotation:
    """An annotation of a project where the actor is admin or reviewer, locked as ``own_annotation``.

    Raises:
        NotFound: ``not_found``.
    """
    return _locked(session, annotation_id, takes_part(actor, Volume.project_id, *_MAY_RETURN))


def _locked(session: Session, annotation_id: UUID, visible: sa.ColumnElement[bool]) -> LockedAnnotation:
    row = session.execute(
        sa.select(Annotation, Assignment, Volume)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Annotation.id == annotation_id, visible)
        .with_for_update(of=Annotation)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no annotation {annotation_id}.")
    return LockedAnnotation(*row)


def visible_annotation(session: Session, actor: Actor, annotation_id: UUID) -> Annotation:
    """The annotation, if it is the actor's own or the actor is admin, reviewer or researcher of its project.

    Raises:
        NotFound: ``not_found``.
    """
    annotation = session.scalar(
        sa.select(Annotation)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(
            Annotation.id == annotation_id,
            sa.or_(
                Assignment.account_id == actor.account_id, takes_part(actor, Volume.project_id, *_MAY_LOOK)
            ),
        )
    )
    if annotation is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no annotation {annotation_id}.")
    return annotation


def annotation_answer(session: Session, actor: Actor, annotation_id: UUID) -> AnnotationAnswer:
    """The annotation as the API shows it, to its owner and to admins, reviewers and researchers of its project.

    Raises:
        NotFound: ``not_found``.
    """
    annotation = visible_annotation(session, actor, annotation_id)
    assignment, pack_sha256 = session.execute(
        sa.select(Assignment, Volume.pack_sha256)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(Assignment.id == annotation.assignment_id)
    ).one()
    late = assignment.state not in HOLDS_SLOT
    return AnnotationAnswer(
        id=annotation.id,
        assignment_id=annotation.assignment_id,
        state=annotation.state,
        revision=annotation.revision,
        document=annotation.document,
        volume_sha256=pack_sha256 or "",
        late=late,
        lease_until=None if late else assignment.lease_until,
        submitted_revision=annotation.submitted_revision,
        submitted_at=annotation.submitted_at,
        return_comment=annotation.return_comment,
        return_slice=annotation.return_slice,
    )


def batch_answers(
    session: Session, actor: Actor, *, annotation_id: UUID, after: int = 0
) -> list[BatchAnswer]:
    """The saves of an annotation behind a revision, for those who may see the annotation.

    Raises:
        NotFound: ``not_found``.
    """
    annotation = visible_annotation(session, actor, annotation_id)
    return [
        BatchAnswer(
            revision=batch.revision,
            operations=[operation.to_json() for operation in batch.operations],
            saved_at=batch.saved_at,
        )
        for batch in batches(session, annotation.id, after=after)
    ]


def document_of(annotation: Annotation) -> AnnotationDocument:
    """The current state."""
    return AnnotationDocument.from_json(annotation.document)


def completeness_of(annotation: Annotation) -> Completeness:
    """How much is decided: as stored, or counted now in a row that an earlier version wrote."""
    if annotation.completeness is None:
        return completeness(document_of(annotation))
    return Completeness.from_json(annotation.completeness)


def document_at(session: Session, annotation: Annotation, revision: int) -> AnnotationDocument:
    """The state that a revision had: the log folded up to it.

    Raises:
        NotFound: ``not_found`` when the annotation has not come to that revision.
    """
    if revision == annotation.revision:
        return document_of(annotation)
    if not 0 <= revision < annotation.revision:
        raise NotFound(ErrorCode.NOT_FOUND, f"The annotation {annotation.id} has no revision {revision}.")
    document = empty_document(document_of(annotation).shape)
    for batch in batches(session, annotation.id, last=revision):
        document = apply_all(document, batch.operations)
    return document


def batches(
    session: Session, annotation_id: UUID, *, after: int = 0, last: int | None = None
) -> tuple[AcceptedBatch, ...]:
    """The accepted saves that made the revisions ``after + 1`` to ``last``, oldest first."""
    rows = session.scalars(
        sa.select(OperationBatch)
        .where(
            OperationBatch.annotation_id == annotation_id,
            OperationBatch.revision > after,
            sa.true() if last is None else OperationBatch.revision <= last,
        )
        .order_by(OperationBatch.revision)
    )
    return tuple(
        AcceptedBatch(
            revision=row.revision,
            operations=tuple(operation_from_json(operation) for operation in row.operations),
            saved_at=row.created_at,
        )
        for row in rows
    )
