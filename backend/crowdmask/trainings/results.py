"""How the networks of a training do on its test set."""

import math
from collections.abc import Mapping
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.core.nnunet_layout import Split
from crowdmask.core.statistics import mean
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.exports.frozen_references import FrozenReference, References
from crowdmask.exports.selection import Selection
from crowdmask.models import Export, Training, TrainingScore
from crowdmask.trainings.schemas import LabelDice, TrainingResult


def training_results(session: Session, training: Training) -> list[TrainingResult]:
    """What of a training has scores: each configuration, and all of them together."""
    settings = settings_of(training)
    rows = session.execute(
        sa.select(TrainingScore.configuration, TrainingScore.label_name, TrainingScore.volume_dice)
        .where(TrainingScore.training_id == training.id)
        .order_by(TrainingScore.label_index)
    )
    found: dict[Configuration | None, dict[str, list[float]]] = {}
    for configuration, label_name, dice in rows:
        values = found.setdefault(configuration, {}).setdefault(label_name, [])
        values.append(math.nan if dice is None else dice)
    order: list[Configuration | None] = [*settings.configurations, None]
    return [
        TrainingResult(
            configuration=configuration,
            key=score_key(training, configuration),
            labels=[_label_dice(name, values) for name, values in found[configuration].items()],
        )
        for configuration in order
        if configuration in found
    ]


def scoring_references(session: Session, training: Training) -> Mapping[UUID, FrozenReference]:
    """By volume, the reference that its prediction is scored with: the one that the dataset was frozen with."""
    document = session.scalars(sa.select(Export.selection).where(Export.id == training.export_id)).one()
    references = References(session, [training.project_id])
    return {
        UUID(case.volume_id): references.of(case) for case in Selection.from_json(document).of(Split.TEST)
    }


def score_key(training: Training, configuration: Configuration | None) -> str:
    """How evaluations call the scores of a training's result, or of one of its several configurations."""
    is_part = configuration is not settings_of(training).result
    return ":".join(("training", str(training.id), *((configuration,) if is_part and configuration else ())))


def score_name(training: Training, configuration: Configuration | None) -> str:
    """The same for people."""
    if len(settings_of(training).configurations) == 1:
        return training.name
    return f"{training.name}: {configuration or 'ensemble'}"


def settings_of(training: Training) -> TrainingSettings:
    return TrainingSettings.from_json(training.settings)


def _label_dice(name: str, values: list[float]) -> LabelDice:
    found = mean(np.array(values))
    return LabelDice(
        label_name=name,
        mean=found.mean if found.n else None,
        ci=found.ci if found.n else None,
        n=found.n,
        undefined=found.undefined,
    )
