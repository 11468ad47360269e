"""Recording the masks that the worker made, and having slices prepared for those to come."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.models import Job, JobKind, Queue, Segmentation, Volume
from crowdmask.models.base import JsonDict

EMBED_PRIORITY = 100
"""Behind every mask that somebody waits for."""


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


def request_embeddings(session: Session, *, volume_id: UUID, first: int = 0) -> Job:
    """Have the slices of a ready volume, from ``first`` on, encoded before anybody draws on them: the first preview of a
    slice and its mask are quicker then. Asking again for the same slices asks for nothing new.
    """
    volume = session.get_one(Volume, volume_id)
    assert volume.pack_sha256 is not None  # it is ready
    return jobs.enqueue(
        session,
        JobKind.EMBED,
        {"volume_id": str(volume_id), "first": first},
        idem_key=f"embed:{volume_id}:{volume.pack_sha256[:16]}:{first}",
        queue=Queue.GPU,
        project_id=volume.project_id,
        priority=EMBED_PRIORITY,
    )
