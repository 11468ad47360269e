"""Forms and answers of trainings."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from crowdmask.core.training import (
    MOST_EPOCHS,
    MOST_FOLDS,
    MOST_ITERATIONS,
    Configuration,
    Device,
    TrainingSettings,
)
from crowdmask.models import ReferenceOrigin, TrainingStage
from crowdmask.trainings.dataset import Difference
from crowdmask.web.forms import Answer, Form, Name, Time


class TrainingState(StrEnum):
    """Of a training and of each of its steps; derived from jobs, never stored. ``waiting``: for the step before it."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrainingSettingsForm(Form):
    """The defaults are the paper's. ``configurations``: several are trained one after the other and predict together.
    ``folds``: empty for all of the dataset's. ``small``: a tiny network, to try the way from end to end on a CPU; it learns
    nothing of use."""

    configurations: Annotated[
        tuple[Configuration, ...], Field(min_length=1, max_length=len(Configuration))
    ] = (Configuration.FULLRES,)
    folds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=MOST_FOLDS)], ...], Field(max_length=MOST_FOLDS)
    ] = ()
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 1000
    iterations: Annotated[int, Field(ge=1, le=MOST_ITERATIONS)] = 250
    device: Device = Device.AUTO
    mirroring: bool = False
    small: bool = False

    def settings(self) -> TrainingSettings:
        return TrainingSettings(**self.model_dump())


class TrainingForm(Form):
    """``name``: null for one made of the dataset's and the configurations."""

    name: Name | None = None
    settings: TrainingSettingsForm = TrainingSettingsForm()


class TrainingPairForm(Form):
    """``other``: the dataset that the first one is compared with."""

    other: UUID
    settings: TrainingSettingsForm = TrainingSettingsForm()


class TrainingSettingsAnswer(Answer):
    configurations: list[Configuration]
    folds: list[int]
    epochs: int
    iterations: int
    device: Device
    mirroring: bool
    small: bool

    @classmethod
    def of(cls, settings: TrainingSettings) -> Self:
        return cls(**settings.to_json())


class EpochAnswer(Answer):
    """An epoch that ended; ``pseudo_dice`` by label in their order, over patches of the validation cases."""

    number: int
    train_loss: float | None
    val_loss: float | None
    pseudo_dice: list[float | None]
    seconds: float


class TrainingStepAnswer(Answer):
    """``configuration``: of a step that trains or predicts. ``error``: why it failed, or what it waits for."""

    position: int
    stage: TrainingStage
    configuration: Configuration | None
    fold: int | None
    state: TrainingState
    progress: float
    error: str | None


class TrainingStepDetails(TrainingStepAnswer):
    """``log``: the end of what nnU-Net printed."""

    log: str
    epochs: list[EpochAnswer]


class TrainingAnswer(Answer):
    """``scored``: labels of test scans with scores, of its result: the ensemble's where it has several configurations."""

    id: UUID
    name: str
    export_id: UUID
    dataset_name: str
    dataset_version: int
    settings: TrainingSettingsAnswer
    state: TrainingState
    progress: float
    error: str | None
    steps: list[TrainingStepAnswer]
    scored: int
    created_by: str
    created_at: Time


class LabelDice(Answer):
    """Mean volume Dice of a label over the ``n`` test scans where it is defined; ``ci``: half of its 95 % interval by the
    normal approximation (population standard deviation)."""

    label_name: str
    mean: float | None
    ci: float | None
    n: int
    undefined: int


class TrainingResult(Answer):
    """How the networks of one configuration do on the test scans; ``configuration`` null: all together, the ensemble.

    ``key``: of its scores, for the evaluations.
    """

    configuration: Configuration | None
    key: str
    labels: list[LabelDice]


class TrainingDetails(Answer):
    """One training with what each step printed; ``labels``: those of ``pseudo_dice``, in its order. ``results``: what has
    scores, the ensemble last; ``origins``: who made the references behind them; ``outdated_references``: of how many test
    scans the reference was replaced or deleted since: the scores are of the one that the dataset was frozen with."""

    training: TrainingAnswer
    labels: list[str]
    results: list[TrainingResult]
    origins: list[ReferenceOrigin]
    outdated_references: int
    steps: list[TrainingStepDetails]


class DatasetPair(Answer):
    """Two datasets that were made to be compared, and the one thing that differs: ``labels`` or ``volumes``."""

    export_id: UUID
    other_id: UUID
    differs: Difference


class PredictionAnswer(Answer):
    """What a training predicted of one label of a volume of its test set; ``training_name`` names the configuration too where
    it has several. ``label_index``: the label's integer in the project. ``volume_dice``: against the reference; null where
    it is undefined. ``outdated_reference``: the volume has another reference by now than the one that was scored with, or
    none."""

    id: UUID
    training_id: UUID
    training_name: str
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    volume_dice: float | None
    outdated_reference: bool
    mask_sha256: str
