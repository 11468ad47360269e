"""Projects: the label set, the rules and the members."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, CreatedAt, Id, JsonDict, enum_column


class Role(StrEnum):
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    RESEARCHER = "researcher"
    ADMIN = "admin"


class Project(Base):
    """``window`` is ``core.windowing.Window`` as JSON, or null: then each volume's default window."""

    __tablename__ = "project"
    __table_args__ = (CheckConstraint("overlap >= 1", name="overlap_positive"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    overlap: Mapped[int] = mapped_column(Integer, default=1)
    window: Mapped[JsonDict | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None]


class Label(Base):
    """An organ of a project. Deleting is soft: open work keeps its label."""

    __tablename__ = "label"
    __table_args__ = (
        UniqueConstraint("project_id", "index"),
        UniqueConstraint("project_id", "name"),
        CheckConstraint('"index" between 1 and 255', name="index_in_uint8"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    index: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("project_id", "account_id"), Index(None, "account_id"))

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    created_at: Mapped[CreatedAt]
