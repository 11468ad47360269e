"""Sets of scores: what has scores per volume and label and can be summed up, plotted and compared with another one."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import numpy as np

from crowdmask.core.score_table import ScoreTable
from crowdmask.core.slice_overlap import SliceOverlap
from crowdmask.core.statistics import Values
from crowdmask.models import Evaluation, ReferenceOrigin, TrainingScore

OUTDATED = " (replaced or deleted since)"
"""Behind the origin of a reference that a volume no longer has, in tables to take along."""


class ScoreName(StrEnum):
    """The scores of a mask, as ``core.metrics`` defines them."""

    VOLUME_DICE = "volume_dice"
    SLICE_DICE = "slice_dice"
    SLICE_DICE_ALL = "slice_dice_all"
    HD95_MM = "hd95_mm"
    NSD_2MM = "nsd_2mm"
    COVERAGE = "coverage"
    VOLUME_ERROR = "volume_error"


@dataclass(frozen=True, slots=True)
class Label:
    """What scores are gathered by: a label's number and name in its set."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """One label of one volume, scored once.

    Attributes:
        mask_id: of the mask or the prediction.
        by: whose boxes, or which network, it was made from.
        origin: who made the reference; None when that is not known.
        scores: NaN where undefined.
        predicted_ml, reference_ml: volumes of the two masks.
        slices: the voxels on each slice; None where they were not kept when it was scored, or were not read.
        outdated: the volume has another reference by now than the one that it was scored with, or none.
    """

    mask_id: UUID
    volume_id: UUID
    volume_name: str
    label: Label
    by: str
    origin: ReferenceOrigin | None
    scores: Mapping[ScoreName, float]
    predicted_ml: float
    reference_ml: float
    slices: SliceOverlap | None = None
    outdated: bool = False


class ScoreSetKind(StrEnum):
    """All masks of submitted work, those of one person's boxes, or the predictions of a training's network."""

    MASKS = "masks"
    PERSON = "person"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """Scores that can be summed up and compared.

    Attributes:
        key: how the API calls it.
        name: of the person or the training; None for all masks.
    """

    key: str
    kind: ScoreSetKind
    name: str | None
    scored: tuple[ScoredLabel, ...]


def outdated_volumes(*sets: ScoreSet) -> int:
    """How many volumes have scores of a reference that they no longer have."""
    return len({one.volume_id for of in sets for one in of.scored if one.outdated})


def scores_of(row: Evaluation | TrainingScore) -> dict[ScoreName, float]:
    """A row's scores, NaN where they are null."""
    return {name: _number(getattr(row, name.value)) for name in ScoreName}


def slices_of(row: Evaluation | TrainingScore) -> SliceOverlap | None:
    """The voxels on each slice, of a row that was read with them."""
    return None if row.slices is None else SliceOverlap.from_json(row.slices)


def volumes_of(row: Evaluation | TrainingScore) -> tuple[float, float]:
    """Predicted and reference volume in ml; NaN where they are null."""
    return _number(row.predicted_ml), _number(row.reference_ml)


def labels_of(scored: Iterable[ScoredLabel]) -> list[Label]:
    """Which labels have scores, by number."""
    return sorted({one.label for one in scored}, key=lambda label: (label.index, label.name))


def by_volume(scored: Iterable[ScoredLabel], label: Label, name: ScoreName) -> dict[Hashable, float]:
    """One score of a label by the volume's id; where several people boxed it the mean of their defined scores.

    Two masks of one volume are no two cases: their scores depend on each other, and an interval that took them for two
    would be too narrow.
    """
    found: dict[Hashable, list[float]] = {}
    for one in scored:
        if one.label == label:
            found.setdefault(one.volume_id, []).append(one.scores[name])
    return {volume_id: _mean(values) for volume_id, values in found.items()}


def columns_of(scored: Sequence[ScoredLabel], name: ScoreName) -> dict[str, dict[Hashable, float]]:
    """One score by the label's heading and the volume, to be compared with another set's."""
    return {heading: by_volume(scored, label, name) for label, heading in headings(labels_of(scored)).items()}


def score_table(scored: Iterable[ScoredLabel], name: ScoreName) -> ScoreTable:
    """A case per volume, in the order of their names, and a column per label, called ``<label>_<score>``."""
    listed = list(scored)
    names = {one.volume_id: one.volume_name for one in listed}
    volume_ids = sorted(names, key=lambda volume_id: names[volume_id])
    columns: dict[str, Values] = {}
    for label, heading in headings(labels_of(listed)).items():
        values = by_volume(listed, label, name)
        columns[f"{heading}_{name}"] = np.array([values.get(one, math.nan) for one in volume_ids])
    return ScoreTable(tuple(names[one] for one in volume_ids), columns)


def score_rows(scored: Iterable[ScoredLabel]) -> list[list[object]]:
    """Every score, a line for each mask or prediction, under a heading."""
    return [
        ["case", "label_index", "label", "by", "reference", *ScoreName, "predicted_ml", "reference_ml"],
        *(
            [
                one.volume_name,
                one.label.index,
                one.label.name,
                one.by,
                f"{one.origin or ''}{OUTDATED if one.outdated else ''}",
                *(one.scores[name] for name in ScoreName),
                one.predicted_ml,
                one.reference_ml,
            ]
            for one in scored
        ),
    ]


def headings(labels: Iterable[Label]) -> dict[Label, str]:
    """A name for each label that no other has: its own, and its number where two are called the same."""
    listed = list(labels)
    names = [label.name for label in listed]
    return {
        label: label.name if names.count(label.name) == 1 else f"{label.name} ({label.index})"
        for label in listed
    }


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else value
