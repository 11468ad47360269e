"""Masks made from annotations."""

from uuid import UUID

from sqlalchemy import JSON, Float, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.core.completion import Completion
from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, JsonDict, Sha256, enum_column


class Segmentation(Base):
    """The mask of one revision of one annotation, a NIfTI blob on the source grid, with its provenance.

    ``provenance`` is what the mask depends on, equal for equal masks; ``seconds``, how long making it took, is not part of it.
    ``uncertainty_sha256``: of the map that ``core.region.map_bytes`` packs; null where an earlier version made the mask.
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
    uncertainty_sha256: Mapped[BlobKey | None]


class MaskAgreement(Base):
    """How alike two masks of the same label in the same volume are, whoever they are of: known by their bytes, the lower
    hash first. ``volume_dice`` is null when both are empty."""

    __tablename__ = "mask_agreement"
    __table_args__ = (UniqueConstraint("one_sha256", "other_sha256"),)

    id: Mapped[Id]
    one_sha256: Mapped[Sha256]
    other_sha256: Mapped[Sha256]
    volume_dice: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[CreatedAt]


class DerivedMask(Base):
    """A mask that a dataset asked for and no submission made: of several people's boxes, of unfinished work, completed, or
    by another model.

    ``key`` is the hash of what is asked for, so that the same wish again finds the same row. ``inputs``: the
    annotations and their revisions, ``[[annotation id, revision], ...]``; ``rule``: how one set of boxes is made of them.
    ``mask_sha256``, ``provenance`` and ``seconds`` are null until its job has made it; ``uncertainty_sha256`` as of a
    `Segmentation`.
    """

    __tablename__ = "derived_mask"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[Id]
    key: Mapped[Sha256]
    volume_id: Mapped[UUID] = mapped_column(ForeignKey("volume.id"), index=True)
    label_index: Mapped[int] = mapped_column(Integer)
    rule: Mapped[str] = mapped_column(String(32))
    inputs: Mapped[list[list[str | int]]] = mapped_column(JSON)
    completion: Mapped[Completion] = mapped_column(enum_column(Completion))
    model: Mapped[str] = mapped_column(String(100))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"))
    mask_sha256: Mapped[BlobKey | None]
    provenance: Mapped[JsonDict | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[CreatedAt]
    uncertainty_sha256: Mapped[BlobKey | None]
