"""Volumes and the reference masks that came with them."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.lifecycle import VolumeState
from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, Sha256, enum_column


class ReferenceOrigin(StrEnum):
    EXPERT = "expert"
    MODEL = "model"
    GENERATED = "generated"
    UNKNOWN = "unknown"


class Volume(Base):
    """One 3D image. The source file is kept byte for byte; the slice pack is what everybody reads.

    ``depth``, ``height``, ``width`` and ``affine`` (4x4, voxel index x, y, z to RAS+ mm) are the canonical grid's;
    they are null while the file is quarantined. ``affine_assumed`` and ``volume_index`` are the admin's decisions on a file
    that has no orientation or several time points. ``notices`` are ``core.notices.Notice`` as JSON. ``patient`` (a pseudonym:
    volumes of one patient are never split between training and test), ``modality`` and ``licence`` are what the admin
    states; empty: not stated.
    """

    __tablename__ = "volume"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        UniqueConstraint("project_id", "voxels_sha256"),
        Index(None, "project_id", "state"),
        CheckConstraint("state <> 'ready' or pack_sha256 is not null", name="ready_has_pack"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[VolumeState] = mapped_column(enum_column(VolumeState))
    source_sha256: Mapped[BlobKey]
    voxels_sha256: Mapped[Sha256 | None]
    pack_sha256: Mapped[BlobKey | None]
    depth: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    width: Mapped[int | None] = mapped_column(Integer)
    affine: Mapped[list[list[float]] | None] = mapped_column(JSON(none_as_null=True))
    slice_axis: Mapped[str] = mapped_column(String(1), default="z")
    finite_minimum: Mapped[float | None] = mapped_column(Float)
    finite_maximum: Mapped[float | None] = mapped_column(Float)
    percentile_low: Mapped[float | None] = mapped_column(Float)
    percentile_high: Mapped[float | None] = mapped_column(Float)
    notices: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    affine_assumed: Mapped[bool] = mapped_column(default=False)
    volume_index: Mapped[int | None] = mapped_column(Integer)
    refusal_code: Mapped[str | None] = mapped_column(String(64))
    refusal_text: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]
    patient: Mapped[str] = mapped_column(String(200), default="", server_default="")
    modality: Mapped[str] = mapped_column(String(20), default="", server_default="")
    licence: Mapped[str] = mapped_column(String(200), default="", server_default="")


class ReferenceMask(Base):
    """A mask that came with a volume: a label map whose values are the project's label integers.

    ``affine_assumed`` and ``notices`` are of its own file, as those of ``Volume``.
    """

    __tablename__ = "reference_mask"
    __table_args__ = (UniqueConstraint("volume_id"),)

    id: Mapped[Id]
    volume_id: Mapped[UUID] = mapped_column(ForeignKey("volume.id"))
    source_sha256: Mapped[BlobKey]
    origin: Mapped[ReferenceOrigin] = mapped_column(enum_column(ReferenceOrigin))
    affine_assumed: Mapped[bool] = mapped_column(default=False)
    notices: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    created_at: Mapped[CreatedAt]
