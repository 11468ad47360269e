"""Annotations: opened, saved by operations, submitted, reopened, accepted, sent back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from crowdmask.accounts.deps import CurrentActor
from crowdmask.annotations import queries, service
from crowdmask.annotations.policy import ClientTimes
from crowdmask.annotations.schemas import AnnotationAnswer, BatchAnswer, ReturnForm, SaveAnswerBody, SaveForm
from crowdmask.core.operations import operations_from_json
from crowdmask.web.conditions import IdempotencyKey, IfMatch, etag
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession

router = APIRouter(tags=["annotations"])


@router.post("/assignments/{assignment_id}/annotation", **needs(Permission.OWN))
def open_annotation(
    assignment_id: UUID, response: Response, session: WriteSession, actor: CurrentActor
) -> AnnotationAnswer:
    """The annotation of a task of mine, made when there is none. ETag: its revision."""
    annotation = service.open_annotation(session, actor, assignment_id=assignment_id)
    response.headers["ETag"] = etag(annotation.revision)
    return queries.annotation_answer(session, actor, annotation.id)


@router.get("/annotations/{annotation_id}", **needs(Permission.OWN_OR_SEES_ALL))
def get_annotation(
    annotation_id: UUID, response: Response, session: ReadSession, actor: CurrentActor
) -> AnnotationAnswer:
    """An annotation with its whole document. ETag: its revision."""
    answer = queries.annotation_answer(session, actor, annotation_id)
    response.headers["ETag"] = etag(answer.revision)
    return answer


@router.get("/annotations/{annotation_id}/batches", **needs(Permission.OWN_OR_SEES_ALL))
def list_batches(
    annotation_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    after: Annotated[int, Query(ge=0, description="Saves behind this revision.")] = 0,
) -> list[BatchAnswer]:
    """The saves of an annotation, oldest first: the audit trail."""
    return queries.batch_answers(session, actor, annotation_id=annotation_id, after=after)


@router.post("/annotations/{annotation_id}/operations", **needs(Permission.OWN))
def save(
    annotation_id: UUID,
    form: SaveForm,
    response: Response,
    session: WriteSession,
    actor: CurrentActor,
    revision: IfMatch,
    idempotency_key: IdempotencyKey,
) -> SaveAnswerBody:
    """Save a batch of operations, all or none.

    412: the annotation is at another revision; ``since`` holds what was saved meanwhile. 428: If-Match is missing. The same
    Idempotency-Key gets the first answer again.
    """
    times = form.client_times
    answer = service.save(
        session,
        actor,
        annotation_id=annotation_id,
        revision=revision,
        idempotency_key=idempotency_key,
        volume_sha256=form.volume_sha256,
        operations=operations_from_json(form.operations),
        client_times=None
        if times is None
        else ClientTimes(times.began_ms, times.sent_ms, {int(z): ms for z, ms in times.shown_ms.items()}),
    )
    response.headers["ETag"] = etag(answer.revision)
    return SaveAnswerBody.model_validate(answer)


@router.post("/annotations/{annotation_id}/submit", **needs(Permission.OWN))
def submit(
    annotation_id: UUID, session: WriteSession, actor: CurrentActor, revision: IfMatch
) -> AnnotationAnswer:
    """Hand an annotation in. 409 ``not_complete`` names in ``gaps`` the slices that are to do or to check."""
    service.submit(session, actor, annotation_id=annotation_id, revision=revision)
    return queries.annotation_answer(session, actor, annotation_id)


@router.post("/annotations/{annotation_id}/reopen", **needs(Permission.OWN))
def reopen(annotation_id: UUID, session: WriteSession, actor: CurrentActor) -> AnnotationAnswer:
    """Work on a submitted annotation again, until somebody accepts it."""
    service.reopen(session, actor, annotation_id=annotation_id)
    return queries.annotation_answer(session, actor, annotation_id)


@router.post("/annotations/{annotation_id}/accept", **needs(Permission.REVIEWS))
def accept_annotation(
    annotation_id: UUID, session: WriteSession, actor: CurrentActor, revision: IfMatch
) -> AnnotationAnswer:
    """Accept submitted work: its annotator cannot reopen it any more.

    If-Match: the revision that was looked at. 409 ``transition_invalid``: it is not submitted now. 412: it was changed and
    handed in again since.
    """
    service.accept(session, actor, annotation_id=annotation_id, revision=revision)
    return queries.annotation_answer(session, actor, annotation_id)


@router.post("/annotations/{annotation_id}/return", **needs(Permission.REVIEWS))
def return_annotation(
    annotation_id: UUID, form: ReturnForm, session: WriteSession, actor: CurrentActor, revision: IfMatch
) -> AnnotationAnswer:
    """Send submitted or accepted work back to its annotator, with a comment and the slice to look at first.

    If-Match: the revision that was looked at. 409 ``transition_invalid``: it is not submitted now. 412: it was changed and
    handed in again since.
    """
    service.send_back(
        session, actor, annotation_id=annotation_id, revision=revision, comment=form.comment, z=form.slice
    )
    return queries.annotation_answer(session, actor, annotation_id)
