"""What a training has to know of the dataset that it is for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from crowdmask.core.dataset_choice import LabelSource
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
    """A frozen dataset.

    Attributes:
        source: whose labels it trains on.
        training_volumes: the ids of the volumes that it trains on.
        folds: how many its splits have; 0 where it brings none.
    """

    name: str
    labels: LabelSet
    source: LabelSource
    training_volumes: frozenset[str]
    training_cases: int
    folds: int
    test_cases: tuple[TestCase, ...]

    @classmethod
    def of(cls, export: Export) -> Self:
        selection = Selection.from_json(export.selection)
        training = selection.of(Split.TRAINING)
        return cls(
            name=selection.dataset_name,
            labels=selection.labels,
            source=selection.choice.source,
            training_volumes=frozenset(case.volume_id for case in training),
            training_cases=len(training),
            folds=len(selection.folds),
            test_cases=tuple(TestCase(case.case, UUID(case.volume_id)) for case in selection.of(Split.TEST)),
        )


class Difference(StrEnum):
    """What one comparison pair varies: whose labels, or which volumes (all, or the complete ones)."""

    LABELS = "labels"
    VOLUMES = "volumes"


def difference(one: TrainedDataset, other: TrainedDataset) -> Difference | None:
    """What differs between two datasets that were made to be compared; None where nothing does, or both do: such networks
    can be compared, but nobody could say what the difference comes from."""
    same_labels = one.source is other.source
    same_volumes = one.training_volumes == other.training_volumes
    if same_labels is same_volumes:
        return None
    return Difference.VOLUMES if same_labels else Difference.LABELS
