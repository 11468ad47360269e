"""Frozen datasets."""

from uuid import UUID

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, CreatedAt, Id, JsonDict, JsonWithBlobKeys, Sha256


class Export(Base):
    """A frozen, versioned nnU-Net v2 dataset.

    ``selection`` is the snapshot, taken in one transaction: which mask of which annotation revision goes in. It never
    changes; ``manifest_sha256`` is set when the folder stands. ``choice`` is what was asked for (null: before there was a
    choice). Exports of one comparison share ``pair_id``: the same volumes and splits with other labels.
    """

    __tablename__ = "export"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    version: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(200))
    selection: Mapped[JsonWithBlobKeys]
    manifest_sha256: Mapped[Sha256 | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]
    choice: Mapped[JsonDict | None]
    pair_id: Mapped[UUID | None]
