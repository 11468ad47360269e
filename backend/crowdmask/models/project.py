"""Projects: the label set, the rules, the guide, the members and who is invited."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.completion import Completion
from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, JsonDict, Sha256, enum_column


class Role(StrEnum):
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    RESEARCHER = "researcher"
    ADMIN = "admin"


class Project(Base):
    """``window`` is ``core.windowing.Window`` as JSON, or null: then each volume's default window.

    ``label_heading`` is what a label is called in general on the screens ("Organ", "Tumour"). ``consent_version`` counts
    the texts of consent; 0: there is none. ``completion`` is what exports take unless they say otherwise; ``citation``, how
    the makers of the volumes want to be cited.
    """

    __tablename__ = "project"
    __table_args__ = (CheckConstraint("overlap >= 1", name="overlap_positive"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    overlap: Mapped[int] = mapped_column(Integer, default=1)
    window: Mapped[JsonDict | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None]
    label_heading: Mapped[str] = mapped_column(String(40), default="Organ", server_default="Organ")
    consent_text: Mapped[str] = mapped_column(Text, default="", server_default="")
    consent_version: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    completion: Mapped[Completion] = mapped_column(
        enum_column(Completion), default=Completion.NONE, server_default=Completion.NONE.value
    )
    citation: Mapped[str] = mapped_column(Text, default="", server_default="")


class Label(Base):
    """An organ of a project. Deleting is soft: open work keeps its label. ``guide`` says how to box it."""

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
    guide: Mapped[str] = mapped_column(Text, default="", server_default="")


class GuidePicture(Base):
    """A picture of a label's guide, encoded anew as PNG by us."""

    __tablename__ = "guide_picture"
    __table_args__ = (Index(None, "label_id"),)

    id: Mapped[Id]
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"))
    picture_sha256: Mapped[BlobKey]
    caption: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[CreatedAt]


class Membership(Base):
    """``label_indices``: the labels this person is given tasks of; null: all. ``qualification``: as stated, for the card of
    a dataset.
    """

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("project_id", "account_id"), Index(None, "account_id"))

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    created_at: Mapped[CreatedAt]
    label_indices: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    qualification: Mapped[str] = mapped_column(String(200), default="", server_default="")


class Consent(Base):
    """A person accepted this version of the project's text; ``withdrawn_at``: and took it back."""

    __tablename__ = "consent"
    __table_args__ = (UniqueConstraint("project_id", "account_id", "version"),)

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[CreatedAt]
    withdrawn_at: Mapped[datetime | None]


class Invite(Base):
    """Lets one person join, once, in that role and for those labels (null: all)."""

    __tablename__ = "invite"
    __table_args__ = (UniqueConstraint("token_sha256"), Index(None, "project_id"))

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    label_indices: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    note: Mapped[str] = mapped_column(String(200), default="")
    token_sha256: Mapped[Sha256]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    revoked_at: Mapped[datetime | None]
