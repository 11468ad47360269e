"""What annotators made: the current document and the log of batches that it is the sum of."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Float, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.lifecycle import AnnotationState
from crowdmask.models.base import Base, CreatedAt, Id, JsonDict, Sha256, UpdatedAt, enum_column


class Annotation(Base):
    """What one annotator made of one assignment. ``document`` = the batches folded by ``core.operations.apply``.

    ``not_in_volume`` repeats whether the document has every slice absent, however that was said, so that free slots
    can be counted without reading documents; ``completeness`` repeats ``core.completeness.completeness`` for the table
    (null in rows that an earlier version wrote). ``return_comment`` and ``return_slice`` say why a returned one came back and
    where to look first.
    """

    __tablename__ = "annotation"
    __table_args__ = (
        UniqueConstraint("assignment_id"),
        CheckConstraint("revision >= 0", name="revision_not_negative"),
    )

    id: Mapped[Id]
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignment.id"))
    state: Mapped[AnnotationState] = mapped_column(enum_column(AnnotationState))
    revision: Mapped[int] = mapped_column(Integer, default=0)
    document: Mapped[JsonDict]
    not_in_volume: Mapped[bool] = mapped_column(default=False)
    submitted_revision: Mapped[int | None] = mapped_column(Integer)
    submitted_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    completeness: Mapped[JsonDict | None]
    updated_at: Mapped[UpdatedAt]
    return_comment: Mapped[str] = mapped_column(Text, default="", server_default="")
    return_slice: Mapped[int | None] = mapped_column(Integer)


class BoxAgreement(Base):
    """How far two people agree about the boxes of one task (``core.agreement.Agreement.box_score``), of the revisions that they
    submitted; ``one_id`` is the lower id.

    A cache for the table of tasks: submitting writes it, and what is not in it is compared when it is looked at.
    """

    __tablename__ = "box_agreement"
    __table_args__ = (UniqueConstraint("one_id", "other_id"),)

    id: Mapped[Id]
    one_id: Mapped[UUID] = mapped_column(ForeignKey("annotation.id"))
    other_id: Mapped[UUID] = mapped_column(ForeignKey("annotation.id"), index=True)
    one_revision: Mapped[int] = mapped_column(Integer)
    other_revision: Mapped[int] = mapped_column(Integer)
    box_score: Mapped[float] = mapped_column(Float)


class OperationBatch(Base):
    """One accepted save. Append-only: the audit trail and the clock. ``revision`` is the one it produced."""

    __tablename__ = "operation_batch"
    __table_args__ = (
        UniqueConstraint("annotation_id", "revision"),
        UniqueConstraint("annotation_id", "idempotency_key"),
    )

    id: Mapped[Id]
    annotation_id: Mapped[UUID] = mapped_column(ForeignKey("annotation.id"))
    revision: Mapped[int] = mapped_column(Integer)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    body_sha256: Mapped[Sha256]
    operations: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    client_times: Mapped[JsonDict]
    answer: Mapped[JsonDict]
    late: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]
