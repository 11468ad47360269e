"""Recording the masks that the worker made and how alike they are, and having slices prepared for those to come."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core.lifecycle import JobState
from crowdmask.models import Job, JobKind, MaskAgreement, Queue, Segmentation, Volume
from crowdmask.models.base import JsonDict
from crowdmask.projects.policy import require_role
from crowdmask.segmentations.agreement import uncompared_masks
from crowdmask.volumes.queries import SEES_ALL

EMBED_PRIORITY = 100
"""Behind every mask that somebody waits for."""

_ENDED = (JobState.DONE, JobState.DEAD, JobState.CANCELLED)


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
    uncertainty_sha256: str | None = None,
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
    segmentation.uncertainty_sha256 = uncertainty_sha256
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


def request_mask_agreement(session: Session, actor: Actor, *, project_id: UUID) -> int:
    """Have the masks of people who submitted the same task compared, unless that is done. Asking again asks anew for what
    failed, and for nothing twice.

    Returns:
        How many jobs are under way.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    pairs = uncompared_masks(session, project_id=project_id)
    for (one, other), affine_assumed in pairs:
        job = jobs.enqueue(
            session,
            JobKind.EVALUATE,
            {"masks": [one, other], "affine_assumed": affine_assumed},
            idem_key=f"agree:{one}:{other}",
            queue=Queue.CPU,
            project_id=project_id,
        )
        if job.state in _ENDED:
            jobs.retry(session, job.id)
    return len(pairs)


def record_mask_agreement(
    session: Session, *, masks: tuple[str, str], volume_dice: float | None
) -> MaskAgreement:
    """Keep how alike two masks are (their hashes, the lower first); done again, it replaces the number."""
    one, other = masks
    found = session.scalar(
        sa.select(MaskAgreement).where(MaskAgreement.one_sha256 == one, MaskAgreement.other_sha256 == other)
    )
    if found is None:
        found = MaskAgreement(one_sha256=one, other_sha256=other)
        session.add(found)
    found.volume_dice = volume_dice
    session.flush()
    return found
