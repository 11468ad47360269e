"""The job ``evaluate``: how one mask agrees with the reference of its volume, or with another person's mask; or a training's
predictions with the test labels, slice by slice."""

import math
from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.core import metrics, nifti
from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.core.slice_overlap import SliceOverlap
from crowdmask.core.volume import check_same_grid
from crowdmask.evaluations import service
from crowdmask.evaluations.queries import evaluation_request
from crowdmask.segmentations.service import record_mask_agreement
from crowdmask.trainings.queries import slices_request
from crowdmask.trainings.service import record_slices
from crowdmask_worker.context import Effect, JobContext


def handle(context: JobContext) -> Effect:
    """Payload: ``segmentation_id``, ``mask_sha256``, ``reference_id``; or ``masks``, two hashes, and ``affine_assumed``; or
    ``training_id``. Running twice gives the same scores."""
    payload = context.job.payload
    if "training_id" in payload:
        return _predictions(context, UUID(payload["training_id"]))
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


def _predictions(context: JobContext, training_id: UUID) -> Effect:
    """The voxels of each slice of predictions that were scored without them.

    Raises:
        Corrupt: ``blob_missing`` when the dataset's folder, which holds the test labels, is gone.
    """
    with context.database.read() as session:
        request = slices_request(session, training_id=training_id)
    dataset = DatasetFolder(context.settings.exports_dir / str(request.export_id) / request.dataset_name)
    slices: dict[UUID, SliceOverlap] = {}
    for number, one in enumerate(request.cases):
        context.report(number / len(request.cases))
        labels = dataset.label_path(one.case, split=Split.TEST)
        if not labels.is_file():
            raise Corrupt(
                ErrorCode.BLOB_MISSING,
                f"The test labels of {request.dataset_name} are gone: {labels.name} is not there.",
                hint="Retry the job of the dataset, which writes the same bytes again; then evaluate again.",
            )
        predicted, reference = (
            nifti.read_label_map(context.storage.verify(one.sha256)),
            nifti.read_label_map(labels),
        )
        check_same_grid(
            predicted.grid, reference.grid, image_name="the prediction", label_name="the reference"
        )
        for score_id, value in one.values.items():
            slices[score_id] = metrics.score(predicted.voxels == value, reference.voxels == value).slices

    def record(session: Session) -> None:
        record_slices(session, slices=slices)

    return record
