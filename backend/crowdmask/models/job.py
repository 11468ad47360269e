"""The job table: the truth about all work in the background."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.lifecycle import JobState
from crowdmask.models.base import Base, CreatedAt, Id, JsonWithBlobKeys, UpdatedAt, enum_column


class Queue(StrEnum):
    CPU = "cpu"
    GPU = "gpu"
    TRAIN = "train"


class JobKind(StrEnum):
    INGEST = "ingest"
    EMBED = "embed"
    SEGMENT = "segment"
    EXPORT = "export"
    EVALUATE = "evaluate"
    TRAIN = "train"


class Job(Base):
    """One piece of work. Lower ``priority`` first; ``fence`` rises at every claim and never falls.

    ``max_attempts`` is null where the installation's setting counts. ``project_id`` and ``account_id`` say for whom it is,
    so who may see it: the project's admins, and the person on whose behalf it was asked for.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("idem_key"),
        Index("ix_job_due", "queue", "state", "priority", "created_at"),
        CheckConstraint("attempt >= 0 and attempt <= max_attempts", name="attempt_in_range"),
        CheckConstraint("(state = 'running') = (lease_owner is not null)", name="running_has_owner"),
        CheckConstraint("(state = 'running') = (lease_until is not null)", name="running_has_lease"),
    )

    id: Mapped[Id]
    kind: Mapped[JobKind] = mapped_column(enum_column(JobKind))
    idem_key: Mapped[str] = mapped_column(String(200))
    queue: Mapped[Queue] = mapped_column(enum_column(Queue))
    payload: Mapped[JsonWithBlobKeys]
    priority: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[JobState] = mapped_column(enum_column(JobState), default=JobState.QUEUED)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    max_attempts: Mapped[int | None] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_text: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("project.id"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    updated_at: Mapped[UpdatedAt]
