"""What the server tells of trainings, as values."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crowdmask.core.training import Configuration, TrainingSettings


@dataclass(frozen=True)
class EpochView:
    """``pseudo_dice``: by label, over patches of the validation cases: nnU-Net's quick look, no result."""

    number: int
    train_loss: float | None
    val_loss: float | None
    pseudo_dice: tuple[float | None, ...]
    seconds: float


@dataclass(frozen=True)
class TrainingStepView:
    """``stage``: plan, train, predict or ensemble. ``log``, the end of what nnU-Net printed, and ``epochs``: in details only."""

    stage: str
    configuration: Configuration | None
    fold: int | None
    state: str
    progress: float
    error: str | None
    log: str
    epochs: tuple[EpochView, ...]


@dataclass(frozen=True)
class TrainingView:
    """``state``: waiting, queued, running, done, failed or cancelled. ``scored``: labels of test scans with scores."""

    id: UUID
    name: str
    export_id: UUID
    settings: TrainingSettings
    state: str
    progress: float
    error: str | None
    steps: tuple[TrainingStepView, ...]
    scored: int


@dataclass(frozen=True)
class LabelDiceView:
    """Mean volume Dice of a label over ``n`` test scans; ``ci``: half of the 95 % interval."""

    label: str
    mean: float | None
    ci: float | None
    n: int
    undefined: int


@dataclass(frozen=True)
class TrainingResultView:
    """How one configuration (None: the ensemble) does on the test scans. ``key``: of its scores, as ``compare_scores`` and
    ``download_scores`` take it."""

    configuration: Configuration | None
    key: str
    labels: tuple[LabelDiceView, ...]


@dataclass(frozen=True)
class TrainingDetailsView:
    """``labels``: those of ``EpochView.pseudo_dice``. ``results``: of each configuration, the ensemble's last; ``origins``:
    who made the references behind them."""

    training: TrainingView
    labels: tuple[str, ...]
    results: tuple[TrainingResultView, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True)
class DatasetPairView:
    """Two datasets that were made to be compared; ``differs``: in labels or in volumes."""

    export_id: UUID
    other_id: UUID
    differs: str


def training_of(found: Any) -> TrainingView:
    return TrainingView(
        id=UUID(found["id"]),
        name=found["name"],
        export_id=UUID(found["export_id"]),
        settings=TrainingSettings.from_json(found["settings"]),
        state=found["state"],
        progress=found["progress"],
        error=found["error"],
        steps=tuple(_step_of(step) for step in found["steps"]),
        scored=found["scored"],
    )


def details_of(found: Any) -> TrainingDetailsView:
    return TrainingDetailsView(
        training=training_of({**found["training"], "steps": found["steps"]}),
        labels=tuple(found["labels"]),
        results=tuple(
            TrainingResultView(
                configuration=_configuration_of(one["configuration"]),
                key=one["key"],
                labels=tuple(
                    LabelDiceView(
                        label["label_name"], label["mean"], label["ci"], label["n"], label["undefined"]
                    )
                    for label in one["labels"]
                ),
            )
            for one in found["results"]
        ),
        origins=tuple(found["origins"]),
    )


def pair_of(found: Any) -> DatasetPairView:
    return DatasetPairView(UUID(found["export_id"]), UUID(found["other_id"]), found["differs"])


def _step_of(found: Any) -> TrainingStepView:
    return TrainingStepView(
        stage=found["stage"],
        configuration=_configuration_of(found["configuration"]),
        fold=found["fold"],
        state=found["state"],
        progress=found["progress"],
        error=found["error"],
        log=found.get("log", ""),
        epochs=tuple(
            EpochView(**{**epoch, "pseudo_dice": tuple(epoch["pseudo_dice"])})
            for epoch in found.get("epochs", ())
        ),
    )


def _configuration_of(found: str | None) -> Configuration | None:
    return None if found is None else Configuration(found)
