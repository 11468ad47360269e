"""Masks made from submitted annotations."""

from uuid import UUID

from sqlalchemy import Float, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, JsonDict


class Segmentation(Base):
    """The mask of one revision of one annotation, a NIfTI blob on the source grid, with its provenance.

    ``provenance`` is what the mask depends on, equal for equal masks; ``seconds``, how long making it took, is not part of it.
    """

    __tablename__ = "segmentation"
    __table_args__ = (UniqueConstraint("annotation_id", "revision"),)

    id: Mapped[Id]
    annotation_id: Mapped[UUID] = mapped_column(ForeignKey("annotation.id"))
    revision: Mapped[int] = mapped_column(Integer)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"))
    model: Mapped[str] = mapped_column(String(100))
    mask_sha256: Mapped[BlobKey]
    provenance: Mapped[JsonDict]
    seconds: Mapped[float] = mapped_column(Float)
    created_at: Mapped[CreatedAt]
