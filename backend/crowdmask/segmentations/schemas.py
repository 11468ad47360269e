"""Answers about masks."""

from typing import Literal
from uuid import UUID

from crowdmask.web.forms import Answer, Time


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
