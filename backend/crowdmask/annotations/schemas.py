"""Forms and answers of annotations. A document and its operations have the form of ``core.tracks`` and ``core.operations``."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from crowdmask.core.lifecycle import AnnotationState
from crowdmask.core.operations import MAX_OPERATIONS
from crowdmask.web.forms import Answer, Form, Time

Milliseconds = Annotated[float, Field(ge=0, le=1e15)]
Json = dict[str, Any]


class ClientTimesForm(Form):
    """The client's clock, stored as it is. ``shown_ms``: slice -> milliseconds on the screen since the save before."""

    began_ms: Milliseconds
    sent_ms: Milliseconds
    shown_ms: Annotated[
        dict[Annotated[str, Field(pattern=r"^\d{1,6}$")], Milliseconds], Field(max_length=10_000)
    ] = {}  # noqa: RUF012  pydantic copies it


class SaveForm(Form):
    """``volume_sha256``: of the slice pack on which the boxes were drawn."""

    volume_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    operations: Annotated[list[Json], Field(min_length=1, max_length=MAX_OPERATIONS)]
    client_times: ClientTimesForm | None = None


class SaveAnswerBody(Answer):
    """``revision``: the one that this save made. ``late``: the task is no longer reserved for me; the work is kept."""

    revision: int
    late: bool
    lease_until: Time | None


class AnnotationAnswer(Answer):
    """``late``: its assignment holds no place in the task now (it ran out and was given away, or was taken back).
    ``return_comment`` and ``return_slice``: why a reviewer sent it back last, and where to look; empty and null: never."""

    id: UUID
    assignment_id: UUID
    state: AnnotationState
    revision: int
    document: Json
    volume_sha256: str
    late: bool
    lease_until: Time | None
    submitted_revision: int | None
    submitted_at: Time | None
    return_comment: str
    return_slice: int | None


class ReturnForm(Form):
    """Why the work goes back to its annotator, and the slice to look at first."""

    comment: Annotated[str, Field(min_length=1, max_length=2000)]
    slice: Annotated[int, Field(ge=0)]


class BatchAnswer(Answer):
    """One save, as it was accepted."""

    revision: int
    operations: list[Json]
    saved_at: Time
