"""Answers about masks."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.web.forms import Answer, Form, Time

MOST_BOXES = 16
"""Of one label on one slice that a preview is made of."""


class SegmentationAnswer(Answer):
    """A finished mask. ``predicted_iou``: slice -> the model's own estimate of its quality there, 0..1 (lowest box)."""

    id: UUID
    annotation_id: UUID
    revision: int
    model: str
    mask_sha256: str
    seconds: float
    predicted_iou: dict[int, float]
    created_at: Time


class MaskAnswer(Answer):
    """How far the mask of the submitted revision is. ``failed``: ``error`` says why, an admin can retry it."""

    state: Literal["none", "queued", "running", "done", "failed"]
    progress: float
    error: str | None
    segmentation: SegmentationAnswer | None


class ProjectMaskAnswer(Answer):
    """A finished mask of submitted work, with what it is of."""

    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    annotator: str
    segmentation: SegmentationAnswer


class PreviewForm(Form):
    """Boxes x0, y0, x1, y1 in voxel edges of one slice."""

    slice: Annotated[int, Field(ge=0)]
    boxes: Annotated[
        list[Annotated[list[float], Field(min_length=4, max_length=4)]],
        Field(min_length=1, max_length=MOST_BOXES),
    ]


class PreviewAnswer(Answer):
    """The mask that the boxes would give together.

    ``box``: x0, y0, x1, y1, the rectangle around it, 0, 0, 0, 0 when it is empty. ``bits``: base64 of a zlib stream of the
    rectangle's bits, row by row without padding between them, the first voxel in the highest bit. ``predicted_iou``: of
    each box the model's own estimate of its mask, 0..1.
    """

    box: tuple[int, int, int, int]
    bits: str
    predicted_iou: list[float]
