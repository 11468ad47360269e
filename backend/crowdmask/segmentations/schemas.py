"""Answers about masks."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.core.completion import Completion
from crowdmask.core.lifecycle import AnnotationState
from crowdmask.web.forms import Answer, Form, Time

MOST_BOXES = 16
"""Of one label on one slice that a preview is made of."""


class MadeMask(Answer):
    """What is said of any mask that a model made of boxes.

    ``predicted_iou``: slice -> the model's own estimate of its quality there, 0..1 (lowest box). ``doubtful``: slices whose
    expected Dice is below 0.7, or, where a model's was never measured, their ``predicted_iou``. ``drawn``, ``filled``: how many
    slices have boxes that people made, and how many at least one that follows from others and that somebody has looked
    at. ``suggested``: slices with a box at which nobody has looked: completion's. ``has_uncertainty``: whether there is a map
    of it by voxel; an earlier version made none. ``job_id``: an admin can run it again.
    """

    model: str
    job_id: UUID | None
    mask_sha256: str
    seconds: float
    predicted_iou: dict[int, float]
    doubtful: list[int]
    drawn: int
    filled: int
    suggested: list[int]
    has_uncertainty: bool
    created_at: Time


class SegmentationAnswer(MadeMask):
    """A finished mask of one revision of an annotation."""

    id: UUID
    annotation_id: UUID
    revision: int


class MaskAnswer(Answer):
    """How far the mask of the submitted revision is. ``failed``: ``error`` says why, an admin can retry it."""

    state: Literal["none", "queued", "running", "done", "failed"]
    progress: float
    error: str | None
    segmentation: SegmentationAnswer | None


class ProjectMaskAnswer(Answer):
    """A finished mask of submitted work, with what it is of. ``annotation_state``: submitted or accepted."""

    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    annotator: str
    annotation_state: AnnotationState
    segmentation: SegmentationAnswer


class MaskSubject(Answer):
    """A label in a volume of which there are masks of boxes: of submitted work, or that a dataset asked for."""

    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str


class DerivedMaskAnswer(MadeMask):
    """A finished mask that a dataset asked for. ``rule``: how one set of boxes is made of the work of ``annotators``;
    ``completion``: what was added to undecided slices."""

    id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    rule: str
    completion: Completion
    annotators: list[str]


class SuggestionAnswer(Answer):
    """Boxes for slices that nobody has looked at. ``revision``: of the annotation that they follow from. ``operations``: they add
    the boxes to it; empty while it is not ``done``, and when there is nothing to suggest. ``none``: nobody has asked."""

    revision: int
    state: Literal["none", "queued", "running", "done", "failed"]
    progress: float
    error: str | None
    operations: list[dict[str, Any]]


class MeanAnswer(Answer):
    """``mean`` of ``n`` defined values; null when there is none."""

    mean: float | None
    n: int


class AgreementRow(Answer):
    """Two people's submitted work on the same task; ``one`` was submitted first. Null: undefined.

    ``box_iou``: mean over ``slices_both`` slices with boxes of both. ``presence``: share of the ``slices_decided`` slices that both
    have decided on which they say the same. ``first_difference``, ``last_difference``: by how many slices ``other`` begins
    and ends later (negative: earlier). ``mask_dice``: of the two masks; null also while ``masks`` is not ``compared``.
    """

    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    one: str
    other: str
    one_annotation_id: UUID
    other_annotation_id: UUID
    box_iou: float | None
    presence: float | None
    first_difference: int | None
    last_difference: int | None
    slices_both: int
    slices_decided: int
    masks: Literal["missing", "not compared", "compared"]
    mask_dice: float | None


class AgreementMeans(Answer):
    """Of some rows. ``key``: the label's integer or the person's id. ``range_difference``: how many slices apart their ends
    are, without sign."""

    key: str
    name: str
    pairs: int
    box_iou: MeanAnswer
    presence: MeanAnswer
    range_difference: MeanAnswer
    mask_dice: MeanAnswer


class AgreementAnswer(Answer):
    """How far people agree who have submitted the same task.

    ``people``: of each person all rows with this person, so their agreement with the others. ``tasks_alone``: tasks that only
    one person has submitted, about which nothing is known. ``pending``: rows whose two masks are there and not compared.
    """

    rows: list[AgreementRow]
    labels: list[AgreementMeans]
    people: list[AgreementMeans]
    tasks_alone: int
    pending: int


class JobsAnswer(Answer):
    """How many jobs are under way."""

    jobs: int


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
