"""Saving what annotators make. No edit is ever lost: what cannot fill a slot is still kept, as late.

Every change locks its annotation's row first, so two changes of one annotation happen one after the other.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts import audit
from crowdmask.accounts.actor import Actor
from crowdmask.annotations.agreement import record_box_agreements
from crowdmask.annotations.errors import NotComplete, RevisionStale
from crowdmask.annotations.policy import ClientTimes, check_batch, check_open, check_volume
from crowdmask.annotations.queries import batches, document_of, own_annotation, reviewed_annotation
from crowdmask.assignments import service as assignments
from crowdmask.assignments.queries import own_assignment
from crowdmask.assignments.slots import ANSWERED
from crowdmask.core.completeness import completeness
from crowdmask.core.errors import ErrorCode, InvalidInput, PreconditionMissing
from crowdmask.core.lifecycle import ANNOTATION_STEPS, AnnotationState, JobState, step
from crowdmask.core.operations import Operation, apply_all
from crowdmask.core.tracks import empty_document, gaps
from crowdmask.infra.db import now
from crowdmask.models import Annotation, JobKind, OperationBatch, Queue, Task, Volume
from crowdmask.models.base import JsonDict
from crowdmask.volumes.queries import grid_of


@dataclass(frozen=True)
class SaveAnswer:
    """What a save is told, the first time and at every retry.

    Attributes:
        revision: the one that this save produced.
        late: the work fills no slot, because the task was taken back, archived, or given to somebody else.
        lease_until: until when the slot is reserved now; None when late.
    """

    revision: int
    late: bool
    lease_until: datetime | None

    def to_json(self) -> JsonDict:
        lease_until = None if self.lease_until is None else self.lease_until.isoformat()
        return {"revision": self.revision, "late": self.late, "lease_until": lease_until}

    @classmethod
    def from_json(cls, document: JsonDict) -> Self:
        """Read what ``to_json`` wrote."""
        lease_until = document["lease_until"]
        return cls(
            revision=document["revision"],
            late=document["late"],
            lease_until=None if lease_until is None else datetime.fromisoformat(lease_until),
        )


def open_annotation(session: Session, actor: Actor, *, assignment_id: UUID) -> Annotation:
    """The annotation of the actor's assignment; made, empty, when it is opened for the first time.

    Raises:
        NotFound: not the actor's assignment.
    """
    assignment = own_assignment(session, actor, assignment_id, lock=True)  # two tabs open one annotation
    annotation = session.scalar(sa.select(Annotation).where(Annotation.assignment_id == assignment_id))
    if annotation is None:
        volume = session.get_one(Volume, session.get_one(Task, assignment.task_id).volume_id)
        empty = empty_document(grid_of(volume).shape)
        annotation = Annotation(
            assignment_id=assignment_id,
            state=AnnotationState.OPEN,
            revision=0,
            document=empty.to_json(),
            completeness=completeness(empty).to_json(),
        )
        session.add(annotation)
        session.flush()
    return annotation


def save(
    session: Session,
    actor: Actor,
    *,
    annotation_id: UUID,
    revision: int | None,
    idempotency_key: str,
    volume_sha256: str,
    operations: Sequence[Operation],
    client_times: ClientTimes | None = None,
) -> SaveAnswer:
    """Apply a batch of operations to the actor's own annotation, all or none, and renew the lease.

    A retry, known by its idempotency key, gets the first answer whatever happened since. The client's times are no
    part of what makes two bodies the same.

    Args:
        revision: the one the operations were made on.
        volume_sha256: of the slice pack that they were drawn on.

    Raises:
        NotFound: not the actor's annotation.
        PreconditionMissing: ``revision_missing`` when no revision is given.
        RevisionStale: the annotation is at another revision; says what was saved since.
        Conflict: ``not_open`` when it was submitted or accepted; ``volume_mismatch``.
        InvalidInput: ``idempotency_key_reused`` for another body; or what is wrong with an operation.
    """
    own = own_annotation(session, actor, annotation_id)
    annotation = own.annotation
    revision = _given(revision)
    check_batch(operations, idempotency_key)
    written = [operation.to_json() for operation in operations]
    body_sha256 = _digest({"volume_sha256": volume_sha256, "operations": written})
    first = session.scalar(
        sa.select(OperationBatch).where(
            OperationBatch.annotation_id == annotation_id, OperationBatch.idempotency_key == idempotency_key
        )
    )
    if first is not None:
        if first.body_sha256 != body_sha256:
            raise InvalidInput(
                ErrorCode.IDEMPOTENCY_KEY_REUSED,
                f"The idempotency key of revision {first.revision} was sent again with other operations.",
                hint="Make a new key for every save; repeat one only with the same content.",
            )
        return SaveAnswer.from_json(first.answer)
    check_volume(own.volume, volume_sha256)
    check_open(annotation)
    _check_revision(session, annotation, revision)
    document = apply_all(document_of(annotation), operations)
    held = assignments.hold(session, own.assignment.id)
    answer = SaveAnswer(
        revision=revision + 1, late=held is None, lease_until=None if held is None else held.lease_until
    )
    annotation.document = document.to_json()
    annotation.not_in_volume = document.absent_everywhere
    annotation.completeness = completeness(document).to_json()
    annotation.revision = answer.revision
    session.add(
        OperationBatch(
            annotation_id=annotation_id,
            revision=answer.revision,
            account_id=actor.account_id,
            idempotency_key=idempotency_key,
            body_sha256=body_sha256,
            operations=written,
            client_times={} if client_times is None else client_times.to_json(),
            answer=answer.to_json(),
            late=answer.late,
        )
    )
    session.flush()
    return answer


def submit(session: Session, actor: Actor, *, annotation_id: UUID, revision: int | None) -> Annotation:
    """Hand in a complete annotation: its revision is frozen and becomes a mask. Twice is as good as once.

    "Not in this volume" is an answer like any other, with an empty mask. A late annotation fills a slot if one is free;
    otherwise it is submitted all the same and gets its mask, but its assignment stays as it is and does not count.
    Submitted again, it tries for a slot once more, and a mask whose job died or was cancelled is asked for anew.

    Raises:
        NotFound: not the actor's annotation.
        PreconditionMissing: ``revision_missing``.
        RevisionStale: the annotation is at another revision.
        NotComplete: slices are to do or suggested; names them.
    """
    own = own_annotation(session, actor, annotation_id)
    annotation = own.annotation
    revision = _given(revision)
    _check_revision(session, annotation, revision)
    undecided = gaps(document_of(annotation))
    if undecided:
        raise NotComplete(tuple(undecided))
    assignments.fill_slot(session, own.assignment.id)
    job = jobs.enqueue(
        session,
        JobKind.SEGMENT,
        {"annotation_id": str(annotation_id), "revision": revision},
        idem_key=f"segment:{annotation_id}:{revision}",
        queue=Queue.GPU,
        project_id=own.volume.project_id,
        account_id=actor.account_id,
    )
    if job.state in (JobState.DEAD, JobState.CANCELLED):
        jobs.retry(session, job.id)
    if annotation.state in ANSWERED:
        return annotation
    submitted = _change(
        session, annotation, AnnotationState.SUBMITTED, submitted_revision=revision, submitted_at=now()
    )
    record_box_agreements(session, submitted, task_id=own.assignment.task_id)
    return submitted


def reopen(session: Session, actor: Actor, *, annotation_id: UUID) -> Annotation:
    """Take a submitted annotation back to work, until somebody accepts it. An open one stays as it is.

    Raises:
        NotFound: not the actor's annotation.
        Conflict: ``transition_invalid`` when it was accepted.
    """
    own = own_annotation(session, actor, annotation_id)
    if own.annotation.state in (AnnotationState.OPEN, AnnotationState.RETURNED):
        return own.annotation
    reopened = _change(
        session, own.annotation, AnnotationState.OPEN, submitted_revision=None, submitted_at=None
    )
    assignments.reopen_slot(session, own.assignment.id)
    return reopened


def accept(session: Session, actor: Actor, *, annotation_id: UUID, revision: int | None) -> Annotation:
    """Accept submitted work: its annotator cannot reopen it any more, only ``send_back`` can. Twice is as good as once.

    Args:
        revision: the one that was looked at.

    Raises:
        NotFound: no such annotation in a project where the actor is admin or reviewer.
        PreconditionMissing: ``revision_missing``.
        RevisionStale: it was changed and handed in again since.
        Conflict: ``transition_invalid`` when it is not submitted: its annotator reopened it, or it was sent back.
    """
    found = reviewed_annotation(session, actor, annotation_id)
    _check_revision(session, found.annotation, _given(revision))
    if found.annotation.state is AnnotationState.ACCEPTED:
        return found.annotation
    accepted = _change(session, found.annotation, AnnotationState.ACCEPTED)
    audit.record(
        session, actor, "annotation_accept", project_id=found.volume.project_id, subject_id=annotation_id
    )
    return accepted


def send_back(
    session: Session, actor: Actor, *, annotation_id: UUID, revision: int | None, comment: str, z: int
) -> Annotation:
    """Return a submitted or accepted annotation to its annotator, whose slot is reserved again, for a week at
    least. Twice is as good as once.

    Args:
        revision: the one that was looked at.
        comment: what is wrong.
        z: the slice to look at first.

    Raises:
        NotFound: no such annotation in a project where the actor is admin or reviewer.
        PreconditionMissing: ``revision_missing``.
        RevisionStale: it was changed and handed in again since.
        Conflict: ``transition_invalid`` when it is not submitted: its annotator reopened it, or it was sent back with other
            words.
        InvalidInput: ``slice_out_of_range``.
    """
    found = reviewed_annotation(session, actor, annotation_id)
    annotation = found.annotation
    if annotation.state is AnnotationState.RETURNED and (
        annotation.return_comment,
        annotation.return_slice,
    ) == (comment, z):
        return annotation
    _check_revision(session, annotation, _given(revision))
    n_slices = document_of(annotation).shape[0]
    if z >= n_slices:
        raise InvalidInput(
            ErrorCode.SLICE_OUT_OF_RANGE,
            f"There is no slice {z}: the volume has the slices 0 to {n_slices - 1}.",
        )
    returned = _change(
        session,
        annotation,
        AnnotationState.RETURNED,
        submitted_revision=None,
        submitted_at=None,
        return_comment=comment,
        return_slice=z,
    )
    assignments.reopen_slot(session, found.assignment.id, sent_back=True)
    audit.record(
        session, actor, "annotation_return", project_id=found.volume.project_id, subject_id=annotation_id
    )
    return returned


def _given(revision: int | None) -> int:
    if revision is None:
        raise PreconditionMissing(
            ErrorCode.REVISION_MISSING,
            "The change does not say which revision it is for.",
            hint="Send the revision that you last got.",
        )
    return revision


def _check_revision(session: Session, annotation: Annotation, revision: int) -> None:
    if revision != annotation.revision:
        raise RevisionStale(
            revision=revision,
            current_revision=annotation.revision,
            since=batches(session, annotation.id, after=revision),
        )


def _change(session: Session, annotation: Annotation, state: AnnotationState, **values: object) -> Annotation:
    """Step to another state; ``values`` may be SQL."""
    target = step(ANNOTATION_STEPS, annotation.state, state)
    return session.scalars(
        sa.update(Annotation)
        .where(Annotation.id == annotation.id)
        .values(state=target, **values)
        .returning(Annotation)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one()


def _digest(body: JsonDict) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
