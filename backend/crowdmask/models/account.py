"""People, and what proves that a request comes from one of them. Of every secret only its sha256 is kept."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, CreatedAt, Id, Sha256, enum_column


class TokenScope(StrEnum):
    READ = "read"
    WRITE = "write"


class Account(Base):
    """A person (or a simulated annotator) who acts.

    ``username`` is lower-case and set together with ``password_hash``; without them a person signs in by links.
    An operator runs the installation: may create projects and make sign-in links for everybody.
    """

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("username"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
    username: Mapped[str | None] = mapped_column(String(64))
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_operator: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


class BrowserSession(Base):
    """A browser that is signed in. It ends at ``expires_at``, or when it was not seen for some hours."""

    __tablename__ = "browser_session"
    __table_args__ = (UniqueConstraint("token_sha256"), Index(None, "account_id"))

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    token_sha256: Mapped[Sha256]
    created_at: Mapped[CreatedAt]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SignInLink(Base):
    """Signs one person in, once."""

    __tablename__ = "sign_in_link"
    __table_args__ = (UniqueConstraint("token_sha256"), Index(None, "account_id"))

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    token_sha256: Mapped[Sha256]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AccessToken(Base):
    """A personal access token, for scripts: shown once, limited in scope and time."""

    __tablename__ = "access_token"
    __table_args__ = (UniqueConstraint("token_sha256"), Index(None, "account_id"))

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(String(200))
    token_sha256: Mapped[Sha256]
    scope: Mapped[TokenScope] = mapped_column(enum_column(TokenScope))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEvent(Base):
    """Who did what of consequence, and when. Append-only; ``action`` is a verb and its object, as ``invite_create``."""

    __tablename__ = "audit_event"
    __table_args__ = (Index(None, "project_id", "created_at"),)

    id: Mapped[Id]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("project.id"))
    action: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[UUID | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
