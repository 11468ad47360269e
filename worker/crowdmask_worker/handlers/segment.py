"""The job ``segment``: boxes become a NIfTI mask on the source grid."""

import hashlib
import json
from uuid import UUID

from sqlalchemy.orm import Session

import crowdmask
from crowdmask.core import nifti
from crowdmask.core.region import map_bytes
from crowdmask.core.slicepack import SlicePack
from crowdmask.exports.service import write_when_masks_are_made
from crowdmask.models.base import JsonDict
from crowdmask.segmentations import service
from crowdmask.segmentations.derived import derived_request, record_derived
from crowdmask.segmentations.queries import SegmentRequest, segment_request
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.provenance import parameters_used
from crowdmask_ml.segment import MaskResult, SliceProvenance, segment_volume
from crowdmask_ml.segmenter import Segmenter
from crowdmask_ml.uncertainty import calibration_of
from crowdmask_worker import segmenters as loaded
from crowdmask_worker.context import Effect, JobContext


def handle(context: JobContext) -> Effect:
    """Payload: ``annotation_id``, ``revision``; or ``derived_mask_id``. Equal inputs give the same mask bytes.

    What was computed of each slice is kept, so a further attempt goes on where the last one was.
    """
    payload = context.job.payload
    with context.database.read() as session:
        if "derived_mask_id" in payload:
            request = derived_request(session, UUID(payload["derived_mask_id"]))
        else:
            request = segment_request(
                session, annotation_id=UUID(payload["annotation_id"]), revision=int(payload["revision"])
            )
    context.storage.verify(request.source_sha256)
    context.storage.verify(request.pack_sha256)
    segmenter = loaded.segmenter(request.model or context.settings.model, context.settings.runtime)
    with SlicePack.open(context.storage.path(request.pack_sha256)) as pack:
        result = segment_volume(
            pack,
            {request.label_index: request.document},
            segmenter,
            window=request.window,
            completion=request.completion,
            cache=SliceCache(context.settings.embeddings_dir),
            with_uncertainty=True,
            progress=lambda done, total: context.report(done / max(total, 1)),
        )
    source = nifti.read_source_grid(
        context.storage.path(request.source_sha256), assume_affine=request.affine_assumed
    )
    with context.work_file(".nii.gz") as path:
        nifti.write_mask(path, result.mask, source)
        mask_sha256 = context.storage.put_file(path)
    assert result.uncertainty is not None  # as asked for
    uncertainty_sha256 = context.storage.put_bytes(map_bytes(result.uncertainty))
    provenance = _provenance(request, segmenter, result, source.grid.spacing)
    return _effect(context, mask_sha256, uncertainty_sha256, provenance, result.seconds)


def _effect(
    context: JobContext, mask_sha256: str, uncertainty_sha256: str, provenance: JsonDict, seconds: float
) -> Effect:
    payload = context.job.payload

    def record(session: Session) -> None:
        if "derived_mask_id" not in payload:
            service.record_mask(
                session,
                job_id=context.job.id,
                annotation_id=UUID(payload["annotation_id"]),
                revision=int(payload["revision"]),
                model=provenance["model"],
                mask_sha256=mask_sha256,
                provenance=provenance,
                seconds=seconds,
                uncertainty_sha256=uncertainty_sha256,
            )
            return
        made = record_derived(
            session,
            derived_mask_id=UUID(payload["derived_mask_id"]),
            mask_sha256=mask_sha256,
            provenance=provenance,
            seconds=seconds,
            uncertainty_sha256=uncertainty_sha256,
        )
        write_when_masks_are_made(session, made)

    return record


def _provenance(
    request: SegmentRequest, segmenter: Segmenter, result: MaskResult, spacing: tuple[float, float, float]
) -> JsonDict:
    """Everything the mask depends on, and per slice where its boxes came from and how sure the model was.

    Equal for equal masks: no time and no duration.
    """
    document = json.dumps(request.document.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {
        "crowdmask": crowdmask.__version__,
        "model": segmenter.name,
        "model_sha256": segmenter.model_hash,
        "preprocessing": segmenter.preprocessing,
        "mask_rule": segmenter.mask_rule,
        "runtime": segmenter.runtime,
        "window": request.window.to_json(),
        "completion": result.completion,
        "completion_parameters": parameters_used(result.completion, result.parameters),
        **request.origin,
        "source_sha256": request.source_sha256,
        "pack_sha256": request.pack_sha256,
        "boxes_sha256": hashlib.sha256(document.encode()).hexdigest(),
        "slices": [
            {
                "slice": made.slice,
                "sources": list(made.sources),
                "confirmed": list(made.confirmed),
                # The boxes that tracks give are in the annotation; these are nowhere else.
                "added_boxes": [list(box.values) for box in made.boxes] if made.completed else [],
                "predicted_iou": [round(value, 4) for value in made.predicted_iou],
                "expected_dice": _expected_dice(segmenter, made, spacing),
            }
            for made in result.slices
        ],
    }


def _expected_dice(
    segmenter: Segmenter, made: SliceProvenance, spacing: tuple[float, float, float]
) -> float | None:
    """What masks with these signs had where it was measured (docs/uncertainty.md); None for a model that never was."""
    calibration = calibration_of(segmenter)
    if calibration is None or not made.boxes:
        return None
    area_mm2 = sum(box.area for box in made.boxes) * spacing[0] * spacing[1]
    return round(calibration.expected_dice(min(made.predicted_iou), area_mm2), 4)
