"""Recording the masks that the worker made."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.models import Segmentation
from crowdmask.models.base import JsonDict


def record_mask(
    session: Session,
    *,
    job_id: UUID,
    annotation_id: UUID,
    revision: int,
    model: str,
    mask_sha256: str,
    provenance: JsonDict,
    seconds: float,
) -> Segmentation:
    """Keep the mask of a revision; made again (a lost blob, another model), it replaces the row's content."""
    segmentation = session.scalar(
        sa.select(Segmentation).where(
            Segmentation.annotation_id == annotation_id, Segmentation.revision == revision
        )
    )
    if segmentation is None:
        segmentation = Segmentation(annotation_id=annotation_id, revision=revision)
        session.add(segmentation)
    segmentation.job_id = job_id
    segmentation.model = model
    segmentation.mask_sha256 = mask_sha256
    segmentation.provenance = provenance
    segmentation.seconds = seconds
    session.flush()
    return segmentation
