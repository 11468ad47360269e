"""Trainings of nnU-Net on frozen datasets, their steps and what came out."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Float, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.training import Configuration
from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, JsonDict, UpdatedAt, enum_column


class TrainingStage(StrEnum):
    PLAN = "plan"
    TRAIN = "train"
    PREDICT = "predict"
    ENSEMBLE = "ensemble"


class Training(Base):
    """nnU-Net on one dataset. ``settings``: configurations, folds, epochs, device and the like, as asked for."""

    __tablename__ = "training"

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"), index=True)
    export_id: Mapped[UUID] = mapped_column(ForeignKey("export.id"))
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[JsonDict]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]


class TrainingStep(Base):
    """One command of a training, done by one job, in the order of ``position``. ``fold``: of a step that trains one;
    ``configuration``: of one that trains or predicts.

    ``log``: the end of what nnU-Net printed; ``epochs``: loss and pseudo Dice of each, as far as it is.
    """

    __tablename__ = "training_step"
    __table_args__ = (UniqueConstraint("training_id", "position"),)

    id: Mapped[Id]
    training_id: Mapped[UUID] = mapped_column(ForeignKey("training.id"))
    position: Mapped[int] = mapped_column(Integer)
    stage: Mapped[TrainingStage] = mapped_column(enum_column(TrainingStage))
    configuration: Mapped[Configuration | None] = mapped_column(enum_column(Configuration))
    fold: Mapped[int | None] = mapped_column(Integer)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"))
    log: Mapped[str] = mapped_column(Text, default="", server_default="")
    epochs: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    updated_at: Mapped[UpdatedAt]


class TrainingScore(Base):
    """One label of one case of the test set, predicted by a training, against the reference.

    ``configuration``: whose networks have predicted it; null: all of them together, where there are several. A score is null
    where it is undefined (``core.metrics``). ``slices``: as of an ``Evaluation``, null in rows of the schema 0005.
    """

    __tablename__ = "training_score"
    __table_args__ = (UniqueConstraint("training_id", "configuration", "case", "label_index"),)

    id: Mapped[Id]
    training_id: Mapped[UUID] = mapped_column(ForeignKey("training.id"))
    configuration: Mapped[Configuration | None] = mapped_column(enum_column(Configuration))
    case: Mapped[str] = mapped_column(String(200))
    volume_id: Mapped[UUID] = mapped_column(ForeignKey("volume.id"))
    label_index: Mapped[int] = mapped_column(Integer)
    label_name: Mapped[str] = mapped_column(String(200))
    volume_dice: Mapped[float | None] = mapped_column(Float)
    slice_dice: Mapped[float | None] = mapped_column(Float)
    slice_dice_all: Mapped[float | None] = mapped_column(Float)
    slices_predicted: Mapped[int] = mapped_column(Integer)
    slices_reference: Mapped[int] = mapped_column(Integer)
    hd95_mm: Mapped[float | None] = mapped_column(Float)
    nsd_2mm: Mapped[float | None] = mapped_column(Float)
    coverage: Mapped[float | None] = mapped_column(Float)
    volume_error: Mapped[float | None] = mapped_column(Float)
    predicted_ml: Mapped[float | None] = mapped_column(Float)
    reference_ml: Mapped[float | None] = mapped_column(Float)
    prediction_sha256: Mapped[BlobKey | None]
    created_at: Mapped[CreatedAt]
    slices: Mapped[JsonDict | None] = mapped_column(deferred=True, deferred_raiseload=True)
