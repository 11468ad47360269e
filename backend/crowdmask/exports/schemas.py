"""Forms and answers of exports."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.web.forms import Answer, Form, Time


class ExportForm(Form):
    """``name``: behind ``DatasetNNN_``; null for the project's. ``dataset_id``: nnU-Net's three digits."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    dataset_id: Annotated[int, Field(ge=1, le=999)] = 501


class LeftOutAnswer(Answer):
    volume_name: str
    reason: str


class ExportPreview(Answer):
    """What an export made now would hold."""

    cases: list[str]
    left_out: list[LeftOutAnswer]


class ExportAnswer(Answer):
    """A frozen dataset. ``failed``: ``error`` says why."""

    id: UUID
    version: int
    dataset_name: str
    state: Literal["queued", "running", "done", "failed"]
    progress: float
    error: str | None
    cases: list[str]
    labels: dict[str, int]
    left_out: list[LeftOutAnswer]
    manifest_sha256: str | None
    created_by: str
    created_at: Time
