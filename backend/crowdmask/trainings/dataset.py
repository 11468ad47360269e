"""What a training has to know of the dataset that it is for."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet_layout import Split
from crowdmask.exports.selection import Selection
from crowdmask.models import Export

OWN_FOLDS = 5
"""Folds that nnU-Net makes by itself where the dataset brings none; it needs as many cases for them."""


@dataclass(frozen=True)
class TestCase:
    """A case of the dataset's test set: it comes with the reference of its volume."""

    case: str
    volume_id: UUID


@dataclass(frozen=True)
class TrainedDataset:
    """A frozen dataset. ``folds``: how many its splits have; 0 where it brings none."""

    name: str
    labels: LabelSet
    training_cases: int
    folds: int
    test_cases: tuple[TestCase, ...]

    @classmethod
    def of(cls, export: Export) -> Self:
        selection = Selection.from_json(export.selection)
        return cls(
            name=selection.dataset_name,
            labels=selection.labels,
            training_cases=len(selection.of(Split.TRAINING)),
            folds=len(selection.folds),
            test_cases=tuple(TestCase(case.case, UUID(case.volume_id)) for case in selection.of(Split.TEST)),
        )
