"""What a dataset is to be made of: a researcher's choice, frozen with the dataset.

Nothing here decides silently that a slice nobody looked at is background: what is undecided keeps a volume or a label
out, or becomes nnU-Net's ``ignore``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from crowdmask.core.completion import Completion
from crowdmask.core.errors import ErrorCode, InvalidInput


class LabelSource(StrEnum):
    """Whose work the training labels are.

    ``first``: of several answers to a task the one submitted first; ``median``: the median boxes of all answers
    (``core.consensus``); ``annotator``: one person's; ``reference``: the masks that came with the volumes.
    """

    FIRST = "first"
    MEDIAN = "median"
    ANNOTATOR = "annotator"
    REFERENCE = "reference"


class PartialRule(StrEnum):
    """What becomes of slices on which a label is undecided.

    ``drop-volume``: the volume stays out; ``drop-label``: a label that is undecided in any volume leaves the dataset;
    ``ignore``: the slices become nnU-Net's ignore label, which neither rewards nor punishes a prediction.
    """

    DROP_VOLUME = "drop-volume"
    DROP_LABEL = "drop-label"
    IGNORE = "ignore"


class OverlapRule(StrEnum):
    """Who gets a voxel that several labels claim: the label with the fewest voxels in the volume, or the one that stands
    later in the dataset's order of labels."""

    SMALLEST_WINS = "smallest-wins"
    LABEL_ORDER = "label-order"


class Twin(StrEnum):
    """The other arm of a comparison: the same volumes and splits with the reference's labels, or only the volumes that are
    complete, with the same test set."""

    REFERENCE = "reference"
    COMPLETE = "complete"


@dataclass(frozen=True)
class DatasetChoice:
    """Which labels of which volumes, from whom, and how they are split. The same choice of the same work gives the same bytes.

    Attributes:
        labels: names, in the dataset's order; empty: all of the project in theirs.
        source: whose work the training labels are.
        annotator: the account's id; only with the source ``annotator``.
        unfinished: whether work that is not submitted counts as well, as far as it is.
        accepted_only: whether only work counts that a reviewer has accepted.
        min_completeness: share of slices of a task, 0..1, that its person must have decided; asks something of
            unfinished work only.
        min_annotators: how many answers a task needs at least.
        min_agreement: mean intersection over union of the boxes of every two people, 0..1; None: not asked for. A
            task with one answer has none and stays out.
        min_predicted_iou: mean of the model's own score over the slices of a mask, 0..1; None: not asked for.
        modalities: as stated of the volumes; empty: all.
        completion: what is added to undecided slices; None: what the project says.
        confirmed_only: whether slices that nobody made or confirmed count as undecided; nothing is added then.
        partial: what becomes of undecided slices.
        overlap_rule: who gets a voxel that several labels claim.
        test: ids of the volumes of the test set; empty: ``test_share`` of those with a reference.
        test_share: 0..1, by patients.
        folds: of the cross-validation, 0: none (nnU-Net then makes its own five).
        seed: of the split.
        model: a name of ``crowdmask-ml models list``; None: that of the masks that are there, else the installation's.
    """

    labels: tuple[str, ...] = ()
    source: LabelSource = LabelSource.FIRST
    annotator: str | None = None
    unfinished: bool = False
    accepted_only: bool = False
    min_completeness: float = 0.0
    min_annotators: int = 1
    min_agreement: float | None = None
    min_predicted_iou: float | None = None
    modalities: tuple[str, ...] = ()
    completion: Completion | None = None
    confirmed_only: bool = False
    partial: PartialRule = PartialRule.DROP_VOLUME
    overlap_rule: OverlapRule = OverlapRule.SMALLEST_WINS
    test: tuple[str, ...] = ()
    test_share: float = 0.0
    folds: int = 0
    seed: int = 0
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("min_completeness", "min_agreement", "min_predicted_iou", "test_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise _refused(f"{name} is {value}, not a share from 0 to 1.")
        if self.min_annotators < 1:
            raise _refused(
                f"min_annotators is {self.min_annotators}; at least one person has to work on a task."
            )
        if self.folds == 1 or not 0 <= self.folds <= 100:
            raise _refused(f"There can be 0 (none) or 2 to 100 folds, not {self.folds}.")
        if self.test and self.test_share:
            raise _refused(
                "The test set is given by its volumes and by a share.", hint="Give one of the two."
            )
        if (self.source is LabelSource.ANNOTATOR) != (self.annotator is not None):
            raise _refused(
                f"The source is {self.source.value} and the annotator {self.annotator or 'not given'}.",
                hint="Name the annotator with the source annotator, and only then.",
            )
        if self.accepted_only and (self.unfinished or self.source is LabelSource.REFERENCE):
            other = "unfinished work" if self.unfinished else "the references"
            raise _refused(
                f"Only accepted work is asked for, and {other}, which nobody accepts.",
                hint="Choose one of the two.",
            )
        if self.confirmed_only and self.completion not in (None, Completion.NONE):
            raise _refused(
                f"Only confirmed slices are asked for, and completion {self.completion}, which nobody confirms.",
                hint="Choose one of the two.",
            )

    def completion_or(self, projects: Completion) -> Completion:
        """The completion that holds in a project that says ``projects``."""
        if self.confirmed_only or self.source is LabelSource.REFERENCE:
            return Completion.NONE
        return projects if self.completion is None else self.completion

    def to_json(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; what a later version added takes its default."""
        enums = {
            "source": LabelSource,
            "partial": PartialRule,
            "overlap_rule": OverlapRule,
            "completion": Completion,
        }
        found: dict[str, Any] = {}
        for entry in fields(cls):
            if entry.name not in document:
                continue
            value = document[entry.name]
            if isinstance(value, list):
                value = tuple(value)
            elif entry.name in enums and value is not None:
                value = enums[entry.name](value)
            found[entry.name] = value
        return cls(**found)


def _refused(message: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(ErrorCode.OPTION_INVALID, message, hint=hint)
