"""Answers of evaluations."""

from uuid import UUID

from crowdmask.models import ReferenceOrigin
from crowdmask.web.forms import Answer, Time


class EvaluationRow(Answer):
    """One mask against its reference. A score is null where it is undefined, or ``evaluated_at`` is null: not yet done.

    ``hd95_mm``: 95th percentile of the distances between the surfaces; ``nsd_2mm``: share of the surfaces within 2 mm;
    ``coverage``: share of the reference on slices with a prediction; ``volume_error``: (predicted - reference) / reference.
    """

    segmentation_id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    annotator: str
    model: str
    reference_origin: ReferenceOrigin
    volume_dice: float | None
    slice_dice: float | None
    slice_dice_all: float | None
    hd95_mm: float | None
    nsd_2mm: float | None
    coverage: float | None
    volume_error: float | None
    slices_predicted: int | None
    slices_reference: int | None
    evaluated_at: Time | None


class LabelMean(Answer):
    """Mean volume Dice of a label over its ``n`` defined values."""

    label_index: int
    label_name: str
    n: int
    volume_dice: float | None


class EvaluationAnswer(Answer):
    """``pending``: masks with a reference that are not evaluated yet; ``without_reference``: masks that have none."""

    rows: list[EvaluationRow]
    means: list[LabelMean]
    pending: int
    without_reference: int


class EvaluateAnswer(Answer):
    jobs: int
