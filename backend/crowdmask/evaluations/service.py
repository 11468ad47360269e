"""Asking for evaluations and recording them."""

from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.core.statistics import defined
from crowdmask.evaluations.queries import compared_masks, predictions_without_slices
from crowdmask.exports.queries import EXPORTS
from crowdmask.models import Evaluation, JobKind, Queue, ReferenceMask
from crowdmask.projects.policy import require_role

if TYPE_CHECKING:  # a server starts without scipy.spatial
    from crowdmask.core.metrics import Scores

MM3_PER_ML = 1000.0
_ENDED = (JobState.DONE, JobState.DEAD, JobState.CANCELLED)


def request_evaluations(session: Session, actor: Actor, *, project_id: UUID) -> int:
    """Have every mask of submitted work compared with its volume's reference, unless that is done.

    Asking again asks anew for what failed, and for nothing twice. What an earlier version scored without keeping the
    slices is done again, predictions of trainings as well.

    Returns:
        How many jobs are under way.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    under_way = 0
    for one in compared_masks(session, actor, project_id=project_id):
        if one.reference is None or (one.evaluation is not None and one.has_slices):
            continue
        made = one.mask.segmentation
        payload = {
            "segmentation_id": str(made.id),
            "mask_sha256": made.mask_sha256,
            "reference_id": str(one.reference.id),
        }
        _ask(session, project_id, payload, f"evaluate:{made.id}:{made.mask_sha256[:16]}:{one.reference.id}")
        under_way += 1
    for training_id in predictions_without_slices(session, project_id=project_id):
        _ask(session, project_id, {"training_id": str(training_id)}, f"slices:{training_id}")
        under_way += 1
    return under_way


def _ask(session: Session, project_id: UUID, payload: dict[str, str], idem_key: str) -> None:
    job = jobs.enqueue(
        session, JobKind.EVALUATE, payload, idem_key=idem_key, queue=Queue.CPU, project_id=project_id
    )
    if job.state in _ENDED:
        jobs.retry(session, job.id)


def record_evaluation(
    session: Session,
    *,
    segmentation_id: UUID,
    mask_sha256: str,
    reference_id: UUID,
    scores: "Scores",
    voxel_mm3: float,
) -> Evaluation:
    """Keep how a mask agrees with a reference; made again, it replaces the row's scores. Undefined scores are null.

    ``voxel_mm3``: size of a voxel of both.

    Raises:
        NotFound: ``not_found`` when the reference was replaced or deleted while the two were compared.
    """
    locked = sa.select(ReferenceMask.id).where(ReferenceMask.id == reference_id)
    if session.scalar(locked.with_for_update(read=True, key_share=True)) is None:
        raise NotFound(
            ErrorCode.NOT_FOUND,
            f"There is no reference {reference_id} any more.",
            hint="Evaluate new masks again.",
        )
    evaluation = session.scalar(
        sa.select(Evaluation).where(
            Evaluation.segmentation_id == segmentation_id,
            Evaluation.mask_sha256 == mask_sha256,
            Evaluation.reference_id == reference_id,
        )
    )
    if evaluation is None:
        evaluation = Evaluation(
            segmentation_id=segmentation_id, mask_sha256=mask_sha256, reference_id=reference_id
        )
        session.add(evaluation)
    evaluation.volume_dice = defined(scores.volume_dice)
    evaluation.slice_dice = defined(scores.slice_dice)
    evaluation.slice_dice_all = defined(scores.slice_dice_all)
    evaluation.hd95_mm = defined(scores.hd95_mm)
    evaluation.nsd_2mm = defined(scores.nsd_2mm)
    evaluation.coverage = defined(scores.coverage)
    evaluation.volume_error = defined(scores.volume_error)
    evaluation.slices_predicted = scores.slices_predicted
    evaluation.slices_reference = scores.slices_reference
    evaluation.predicted_ml = scores.predicted_voxels * voxel_mm3 / MM3_PER_ML
    evaluation.reference_ml = scores.reference_voxels * voxel_mm3 / MM3_PER_ML
    evaluation.slices = scores.slices.to_json()
    session.flush()
    return evaluation
