"""Tasks and who has which of their slots."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.lifecycle import AssignmentState
from crowdmask.models.base import Base, CreatedAt, Id, UpdatedAt, enum_column

_HOLDS_SLOT = text("state IN ('reserved', 'submitted')")


class Task(Base):
    """(volume, label) to be annotated by ``overlap`` people. Its state is derived from its assignments.

    Lower ``priority`` is given out first.
    """

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("volume_id", "label_id"),
        Index(None, "label_id"),
        CheckConstraint("overlap >= 1", name="overlap_positive"),
    )

    id: Mapped[Id]
    volume_id: Mapped[UUID] = mapped_column(ForeignKey("volume.id"))
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"))
    overlap: Mapped[int] = mapped_column(Integer)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None]


class Assignment(Base):
    """One slot of a task given to one annotator, until ``lease_until``; a person has at most one per task, for ever.

    ``lease_s`` is the length it was granted for: each save renews the lease by as much. A lease that ran out still holds
    its slot while the state is ``reserved``; it ends when somebody else looks for a slot. ``assigned_by``: the admin who
    chose this person; null where the person asked for work.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("task_id", "account_id"),
        Index(
            "uq_assignment_live_slot",
            "task_id",
            "slot",
            unique=True,
            sqlite_where=_HOLDS_SLOT,
            postgresql_where=_HOLDS_SLOT,
        ),
        Index(None, "account_id", "state"),
        CheckConstraint("slot >= 0", name="slot_not_negative"),
        CheckConstraint("lease_s > 0", name="lease_positive"),
    )

    id: Mapped[Id]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    slot: Mapped[int] = mapped_column(Integer)
    state: Mapped[AssignmentState] = mapped_column(enum_column(AssignmentState))
    lease_s: Mapped[float] = mapped_column(Float)
    lease_until: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    assigned_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    updated_at: Mapped[UpdatedAt]
