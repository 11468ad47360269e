"""How well masks agree with reference masks."""

from uuid import UUID

from sqlalchemy import Float, ForeignKey, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crowdmask.models.base import Base, BlobKey, CreatedAt, Id, JsonDict


class Evaluation(Base):
    """One mask against its volume's reference. A score is null where it is undefined (``core.metrics``).

    Evaluations that were made under the schema 0002 have no score from ``hd95_mm`` on, those of 0003 no ``..._ml``: the
    volumes of mask and reference in millilitres; those of 0005 no ``slices``: the voxels on each slice, as
    ``core.slice_overlap`` writes them. These are long and read only where they are asked for.
    """

    __tablename__ = "evaluation"
    __table_args__ = (UniqueConstraint("segmentation_id", "mask_sha256", "reference_id"),)

    id: Mapped[Id]
    segmentation_id: Mapped[UUID] = mapped_column(ForeignKey("segmentation.id"))
    mask_sha256: Mapped[BlobKey]
    reference_id: Mapped[UUID] = mapped_column(ForeignKey("reference_mask.id"))
    volume_dice: Mapped[float | None] = mapped_column(Float)
    slice_dice: Mapped[float | None] = mapped_column(Float)
    slice_dice_all: Mapped[float | None] = mapped_column(Float)
    slices_predicted: Mapped[int] = mapped_column(Integer)
    slices_reference: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[CreatedAt]
    hd95_mm: Mapped[float | None] = mapped_column(Float)
    nsd_2mm: Mapped[float | None] = mapped_column(Float)
    coverage: Mapped[float | None] = mapped_column(Float)
    volume_error: Mapped[float | None] = mapped_column(Float)
    predicted_ml: Mapped[float | None] = mapped_column(Float)
    reference_ml: Mapped[float | None] = mapped_column(Float)
    slices: Mapped[JsonDict | None] = mapped_column(deferred=True, deferred_raiseload=True)
