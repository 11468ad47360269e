"""What goes into a dataset, frozen: which mask of which revision, and what stays out and why."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from crowdmask.core.dataset_choice import DatasetChoice, LabelSource
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet_layout import Split
from crowdmask.models.base import JsonDict

CROWD_FOLDER = "crowd"
"""In the dataset's folder: what people did for it."""

MANIFEST_NAME = "crowdmask_manifest.json"
"""In the dataset's folder, beside nnU-Net's files."""
SPLITS_NAME = "splits_final.json"
"""nnU-Net reads it from its folder of preprocessed data."""
FIRST_DATASET_ID = 501
"""nnU-Net asks for three digits; its own examples use the lower ones."""


@dataclass(frozen=True)
class Answer:
    """One person's work on a task, at one revision.

    Attributes:
        annotator: a pseudonym that is stable within the export.
        submitted: whether the person handed it in.
        mask_sha256: of the mask made from it alone; None where there is none.
        active_s: how long the person worked on it, in seconds, when the dataset was frozen; None: not measured.
    """

    annotation_id: str
    revision: int
    annotator: str
    submitted: bool
    mask_sha256: str | None
    active_s: float | None = None


@dataclass(frozen=True)
class SelectedMask:
    """One label of one case.

    Attributes:
        label_index: the label's integer in the dataset.
        value: its integer in the mask's file.
        source: whose work it is.
        inputs: the answers that the mask is made from; none of a reference.
        others: further answers to the task.
        mask_sha256: None where no mask is (the label is undecided everywhere), or where it is made for datasets:
        derived_key: names that mask.
        undecided: slices that this label says nothing about; what the mask holds there does not count.
        agreement: of the answers' boxes; None where it is not defined.
        provenance: of the mask, as the worker recorded it.
    """

    label_index: int
    value: int
    source: LabelSource
    inputs: tuple[Answer, ...] = ()
    others: tuple[Answer, ...] = ()
    mask_sha256: str | None = None
    derived_key: str | None = None
    undecided: Intervals = NO_SLICES
    agreement: float | None = None
    provenance: JsonDict | None = None

    @property
    def answers(self) -> tuple[Answer, ...]:
        return (*self.inputs, *self.others)

    def to_json(self) -> JsonDict:
        return {**asdict(self), "undecided": self.undecided.to_json()}


@dataclass(frozen=True)
class Reference:
    """The mask that came with a volume."""

    mask_sha256: str
    affine_assumed: bool
    origin: str


@dataclass(frozen=True)
class SelectedCase:
    """One volume and its masks, one per label of the dataset. ``patient``, ``modality``, ``licence``: as stated, or empty."""

    case: str
    split: Split
    volume_id: str
    volume_name: str
    source_sha256: str
    affine_assumed: bool
    volume_index: int | None
    patient: str
    modality: str
    licence: str
    reference: Reference | None
    masks: tuple[SelectedMask, ...]

    def to_json(self) -> JsonDict:
        return {**asdict(self), "masks": [mask.to_json() for mask in self.masks]}


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
        choice: what was asked for, with the completion that held.
        labels: of the dataset, numbered from 1 without gaps.
        project_labels: the integer that each of them, by name, has in the project and in its masks; another one where
            labels before it were deleted or not chosen.
        ignores: whether undecided voxels may be marked as such.
        cases: of training and of test.
        left_out: volumes, each with its reason.
        dropped_labels: labels that were asked for and are not in the dataset, each with its reason.
        folds: nnU-Net's ``splits_final.json``; empty: nnU-Net makes its own.
        people: the qualification that each annotator, by pseudonym, states; empty: none.
    """

    crowdmask: str
    dataset_name: str
    project_name: str
    citation: str
    channel_name: str
    choice: DatasetChoice
    labels: LabelSet
    project_labels: Mapping[str, int]
    ignores: bool
    cases: tuple[SelectedCase, ...]
    left_out: tuple[LeftOut, ...]
    dropped_labels: Mapping[str, str]
    folds: tuple[Mapping[str, list[str]], ...]
    people: Mapping[str, str]

    def of(self, split: Split) -> tuple[SelectedCase, ...]:
        return tuple(case for case in self.cases if case.split is split)

    def masks(self) -> Iterator[SelectedMask]:
        for case in self.cases:
            yield from case.masks

    def derived_keys(self) -> set[str]:
        """Of the masks that are made for datasets."""
        return {mask.derived_key for mask in self.masks() if mask.derived_key is not None}

    def to_json(self) -> JsonDict:
        return {
            "crowdmask": self.crowdmask,
            "dataset_name": self.dataset_name,
            "project_name": self.project_name,
            "citation": self.citation,
            "channel_name": self.channel_name,
            "ignores": self.ignores,
            "choice": self.choice.to_json(),
            "labels": self.labels.to_json(),
            "project_labels": dict(self.project_labels),
            "cases": [case.to_json() for case in self.cases],
            "left_out": [asdict(volume) for volume in self.left_out],
            "dropped_labels": dict(self.dropped_labels),
            "folds": [dict(fold) for fold in self.folds],
            "people": dict(self.people),
        }

    @classmethod
    def from_json(cls, document: JsonDict) -> Self:
        """Read what ``to_json`` wrote, in this version or an earlier one."""
        return cls(
            crowdmask=document["crowdmask"],
            dataset_name=document["dataset_name"],
            project_name=document["project_name"],
            citation=document.get("citation", ""),
            channel_name=document["channel_name"],
            ignores=document.get("ignores", False),
            choice=DatasetChoice.from_json(document.get("choice", {})),
            labels=LabelSet.from_json(document["labels"]),
            project_labels=document["project_labels"],
            cases=tuple(_case(case) for case in document["cases"]),
            left_out=tuple(LeftOut(**volume) for volume in document["left_out"]),
            dropped_labels=document.get("dropped_labels", {}),
            folds=tuple(document.get("folds", ())),
            people=document.get("people", {}),
        )


def _case(document: JsonDict) -> SelectedCase:
    before: JsonDict = {
        "split": "Tr",
        "volume_id": "",
        "patient": "",
        "modality": "",
        "licence": "",
        "reference": None,
    }
    given = before | document
    reference = given["reference"]
    return SelectedCase(
        **{
            **given,
            "split": Split(given["split"]),
            "reference": None if reference is None else Reference(**reference),
            "masks": tuple(_mask(mask) for mask in given["masks"]),
        }
    )


def _mask(document: JsonDict) -> SelectedMask:
    if "annotation_id" in document:  # before there was a choice: the first answer, and how many there were
        answer = Answer(
            document["annotation_id"],
            document["revision"],
            document["annotator"],
            True,
            document["mask_sha256"],
        )
        label_index, provenance = document["label_index"], document["provenance"]
        return SelectedMask(
            label_index,
            0,
            LabelSource.FIRST,
            (answer,),
            mask_sha256=answer.mask_sha256,
            provenance=provenance,
        )
    return SelectedMask(
        **{
            **document,
            "source": LabelSource(document["source"]),
            "inputs": tuple(Answer(**answer) for answer in document["inputs"]),
            "others": tuple(Answer(**answer) for answer in document["others"]),
            "undecided": Intervals.of((first, last) for first, last in document["undecided"]),
        }
    )
