"""Forms and answers of exports."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, OverlapRule, PartialRule, Twin
from crowdmask.exports.parts import DatasetPart
from crowdmask.exports.selection import FIRST_DATASET_ID
from crowdmask.web.forms import Answer, Form, Name, Time

Share = Annotated[float, Field(ge=0, le=1)]


class ChoiceForm(Form):
    """What the dataset is to be made of; each field as in ``core.dataset_choice.DatasetChoice``."""

    labels: Annotated[list[Name], Field(max_length=255, default_factory=list)]
    source: LabelSource = LabelSource.FIRST
    annotator: UUID | None = None
    unfinished: bool = False
    accepted_only: bool = False
    min_completeness: Share = 0.0
    min_annotators: Annotated[int, Field(ge=1, le=1000)] = 1
    min_agreement: Share | None = None
    min_predicted_iou: Share | None = None
    modalities: Annotated[list[Name], Field(max_length=100, default_factory=list)]
    completion: Completion | None = None
    confirmed_only: bool = False
    partial: PartialRule = PartialRule.DROP_VOLUME
    overlap_rule: OverlapRule = OverlapRule.SMALLEST_WINS
    test: Annotated[list[UUID], Field(max_length=100_000, default_factory=list)]
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    folds: Annotated[int, Field(ge=0, le=100)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    model: Literal["litemedsam", "medsam", "sam-vit-b", "sam-vit-l", "sam-vit-h"] | None = None

    def choice(self) -> DatasetChoice:
        """
        Raises:
            InvalidInput: ``option_invalid`` when two fields contradict each other.
        """
        return DatasetChoice.from_json(self.model_dump(mode="json"))


class PreviewForm(Form):
    choice: Annotated[ChoiceForm, Field(default_factory=ChoiceForm)]


class ExportForm(PreviewForm):
    """``name``: behind ``DatasetNNN_``; null for the project's. ``dataset_id``: nnU-Net's three digits."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    dataset_id: Annotated[int, Field(ge=1, le=999)] = FIRST_DATASET_ID


class TwinForm(Form):
    twin: Twin = Twin.REFERENCE


class ChoiceAnswer(Answer):
    """A choice as it was frozen: ``completion`` is the one that held."""

    labels: list[str]
    source: LabelSource
    annotator: str | None
    unfinished: bool
    accepted_only: bool
    min_completeness: float
    min_annotators: int
    min_agreement: float | None
    min_predicted_iou: float | None
    modalities: list[str]
    completion: Completion | None
    confirmed_only: bool
    partial: PartialRule
    overlap_rule: OverlapRule
    test: list[str]
    test_share: float
    folds: int
    seed: int
    model: str | None


class LeftOutAnswer(Answer):
    volume_name: str
    reason: str


class DroppedLabelAnswer(Answer):
    label: str
    reason: str


class ExportPreview(Answer):
    """What an export made now would hold.

    ``masks_to_make``: masks that are made before the folder is written; ``partial_cases``: training cases with undecided
    slices; ``problem``: why the cases cannot be split as asked; ``files``: of the folder, but for crowd's work on each case.
    """

    cases: list[str]
    test_cases: list[str]
    labels: list[str]
    left_out: list[LeftOutAnswer]
    dropped_labels: list[DroppedLabelAnswer]
    partial_cases: list[str]
    masks_to_make: int
    problem: str | None
    files: list[str]


class ExportAnswer(Answer):
    """A frozen dataset. ``failed``: ``error`` says why. ``making``: ``masks_made`` of ``masks_needed`` are there.

    Datasets of one comparison share ``pair_id``. ``n_folds``: 0 where nnU-Net makes its own. ``parts``: what can be
    downloaded alone once the folder is written. ``outdated_references``: volumes whose reference, which the dataset holds as
    its labels, was replaced or deleted since; the dataset stays as it is.
    """

    id: UUID
    version: int
    dataset_name: str
    state: Literal["making", "queued", "running", "done", "failed"]
    progress: float
    error: str | None
    cases: list[str]
    test_cases: list[str]
    n_folds: int
    labels: dict[str, int]
    left_out: list[LeftOutAnswer]
    dropped_labels: list[DroppedLabelAnswer]
    masks_needed: int
    masks_made: int
    choice: ChoiceAnswer
    pair_id: UUID | None
    parts: list[DatasetPart]
    outdated_references: list[str]
    manifest_sha256: str | None
    created_by: str
    created_at: Time
