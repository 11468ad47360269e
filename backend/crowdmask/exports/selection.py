"""What goes into a dataset, frozen: which mask of which revision, and what stays out and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from crowdmask.core.labels import LabelSet
from crowdmask.models.base import JsonDict

MANIFEST_NAME = "crowdmask_manifest.json"
"""In the dataset's folder, beside nnU-Net's files."""


@dataclass(frozen=True)
class SelectedMask:
    """One label of one case.

    Attributes:
        label_index: the label's integer in the dataset.
        annotator: a pseudonym that is stable within the export.
        answers: how many people have submitted the task; the mask is of the first one's work.
        provenance: of the mask, as the worker recorded it.
    """

    label_index: int
    annotation_id: str
    revision: int
    annotator: str
    answers: int
    mask_sha256: str
    provenance: JsonDict


@dataclass(frozen=True)
class SelectedCase:
    """One volume and its masks, one per label of the dataset."""

    case: str
    volume_name: str
    source_sha256: str
    affine_assumed: bool
    volume_index: int | None
    masks: tuple[SelectedMask, ...]


@dataclass(frozen=True)
class LeftOut:
    volume_name: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The snapshot that an export is made of. The same selection gives the same bytes.

    Attributes:
        crowdmask: the version that made the choice.
        channel_name: nnU-Net's: it normalises ``CT`` by the values of the whole data set, anything else per image.
        choice_rule: how volumes and masks were chosen, for the readers of the manifest.
        labels: of the dataset, numbered from 1 without gaps.
        project_labels: the integer that each of them, by name, has in the project and in its masks; another one where
            labels before it were deleted.
    """

    crowdmask: str
    dataset_name: str
    project_name: str
    channel_name: str
    choice_rule: str
    labels: LabelSet
    project_labels: Mapping[str, int]
    cases: tuple[SelectedCase, ...]
    left_out: tuple[LeftOut, ...]

    def to_json(self) -> JsonDict:
        return {
            "crowdmask": self.crowdmask,
            "dataset_name": self.dataset_name,
            "project_name": self.project_name,
            "channel_name": self.channel_name,
            "choice_rule": self.choice_rule,
            "labels": self.labels.to_json(),
            "project_labels": dict(self.project_labels),
            "cases": [asdict(case) for case in self.cases],
            "left_out": [asdict(volume) for volume in self.left_out],
        }

    @classmethod
    def from_json(cls, document: JsonDict) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(
            **{
                **document,
                "labels": LabelSet.from_json(document["labels"]),
                "cases": tuple(_case(case) for case in document["cases"]),
                "left_out": tuple(LeftOut(**volume) for volume in document["left_out"]),
            }
        )


def _case(document: dict[str, Any]) -> SelectedCase:
    masks = tuple(SelectedMask(**mask) for mask in document["masks"])
    return SelectedCase(**{**document, "masks": masks})
