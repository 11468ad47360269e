"""The job ``evaluate``: how one mask agrees with the reference of its volume, or with another person's mask."""

import math
from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.core import metrics, nifti
from crowdmask.core.volume import check_same_grid
from crowdmask.evaluations import service
from crowdmask.evaluations.queries import evaluation_request
from crowdmask.segmentations.service import record_mask_agreement
from crowdmask_worker.context import Effect, JobContext


def handle(context: JobContext) -> Effect:
    """Payload: ``segmentation_id``, ``mask_sha256``, ``reference_id``; or ``masks``, two hashes, and ``affine_assumed``.
    Running twice gives the same scores."""
    payload = context.job.payload
    if "masks" in payload:
        return _two_masks(context, *payload["masks"], affine_assumed=payload["affine_assumed"])
    with context.database.read() as session:
        request = evaluation_request(
            session,
            segmentation_id=UUID(payload["segmentation_id"]),
            reference_id=UUID(payload["reference_id"]),
            mask_sha256=payload["mask_sha256"],
        )
    # A file without orientation lies as the admin said when it was added, and so does a mask made from one.
    mask = nifti.read_label_map(
        context.storage.verify(request.mask_sha256), assume_affine=request.mask_affine_assumed
    )
    context.report(0.4)
    reference = nifti.read_label_map(
        context.storage.verify(request.reference_sha256), assume_affine=request.reference_affine_assumed
    )
    context.report(0.8)
    check_same_grid(mask.grid, reference.grid, image_name="the mask", label_name="the reference")
    scores = metrics.score(mask.voxels > 0, reference.voxels == request.label_index, reference.grid.spacing)

    def record(session: Session) -> None:
        service.record_evaluation(
            session,
            segmentation_id=request.segmentation_id,
            mask_sha256=request.mask_sha256,
            reference_id=request.reference_id,
            scores=scores,
            voxel_mm3=math.prod(reference.grid.spacing),
        )

    return record


def _two_masks(context: JobContext, one: str, other: str, *, affine_assumed: bool) -> Effect:
    first = nifti.read_label_map(context.storage.verify(one), assume_affine=affine_assumed)
    context.report(0.4)
    second = nifti.read_label_map(context.storage.verify(other), assume_affine=affine_assumed)
    check_same_grid(first.grid, second.grid, image_name="one mask", label_name="the other")
    dice = metrics.volume_dice(first.voxels > 0, second.voxels > 0)

    def record(session: Session) -> None:
        record_mask_agreement(session, masks=(one, other), volume_dice=None if math.isnan(dice) else dice)

    return record
