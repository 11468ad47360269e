"""Reading evaluations, and what the worker needs to know to make one."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.evaluations.schemas import EvaluationAnswer, EvaluationRow
from crowdmask.evaluations.score_sets import Label as ScoreLabel
from crowdmask.evaluations.score_sets import ScoredLabel, scores_of, slices_of, volumes_of
from crowdmask.evaluations.summary import label_means, origins
from crowdmask.exports.queries import EXPORTS
from crowdmask.models import (
    Annotation,
    Assignment,
    Evaluation,
    Label,
    ReferenceMask,
    Segmentation,
    Task,
    Training,
    TrainingScore,
    Volume,
)
from crowdmask.projects.policy import require_role
from crowdmask.segmentations.queries import VisibleMask, masks_of_project


@dataclass(frozen=True)
class ComparedMask:
    """A mask of submitted work, its volume's reference if there is one, and how the two agree if that is known.

    ``has_slices``: the evaluation says so slice by slice as well; those of earlier versions do not.
    """

    mask: VisibleMask
    reference: ReferenceMask | None
    evaluation: Evaluation | None
    has_slices: bool


@dataclass(frozen=True)
class EvaluationRequest:
    """One mask and one reference, with all that it takes to compare them. The two files lie on the volume's grid."""

    segmentation_id: UUID
    reference_id: UUID
    label_index: int
    mask_sha256: str
    mask_affine_assumed: bool
    reference_sha256: str
    reference_affine_assumed: bool


def compared_masks(
    session: Session, actor: Actor, *, project_id: UUID, with_slices: bool = False
) -> list[ComparedMask]:
    """The masks of a project's submitted work that the actor sees, by volume name and label.

    An evaluation counts for the mask as it is now: one that was made again is not evaluated yet. Nor is one whose
    evaluation is so old that scores are missing in it. The slices of the evaluations are read only ``with_slices``.
    """
    masks = masks_of_project(session, actor, project_id=project_id)
    references = {
        reference.volume_id: reference
        for reference in session.scalars(
            sa.select(ReferenceMask)
            .join(Volume, Volume.id == ReferenceMask.volume_id)
            .where(Volume.project_id == project_id)
        )
    }
    made = {
        (found.segmentation_id, found.mask_sha256, found.reference_id): (found, has_slices)
        for found, has_slices in session.execute(
            sa.select(Evaluation, Evaluation.slices.is_not(None))
            .join(ReferenceMask, ReferenceMask.id == Evaluation.reference_id)
            .join(Volume, Volume.id == ReferenceMask.volume_id)
            .where(Volume.project_id == project_id, Evaluation.reference_ml.is_not(None))
            .options(*([undefer(Evaluation.slices)] if with_slices else []))
        )
    }
    compared = []
    for mask in masks:
        reference = references.get(mask.volume.id)
        found: tuple[Evaluation | None, bool] = (None, False)
        if reference is not None:
            key = (mask.segmentation.id, mask.segmentation.mask_sha256, reference.id)
            found = made.get(key, found)
        compared.append(ComparedMask(mask, reference, *found))
    return compared


def evaluation_answer(session: Session, actor: Actor, *, project_id: UUID) -> EvaluationAnswer:
    """How the project's masks agree with the references, where there are any.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    compared = compared_masks(session, actor, project_id=project_id)
    rows = [_row(one.mask, one.reference, one.evaluation) for one in compared if one.reference is not None]
    scored = scored_masks(compared)
    return EvaluationAnswer(
        rows=rows,
        means=label_means(scored),
        origins=origins(scored),
        pending=sum(row.evaluated_at is None for row in rows),
        without_reference=len(compared) - len(rows),
        without_slices=sum(one.evaluation is not None and not one.has_slices for one in compared)
        + sum(predictions_without_slices(session, project_id=project_id).values()),
    )


def predictions_without_slices(session: Session, *, project_id: UUID) -> dict[UUID, int]:
    """By training: how many scores of kept predictions an earlier version made, which kept nothing slice by slice."""
    rows = session.execute(
        sa.select(TrainingScore.training_id, sa.func.count())
        .join(Training, Training.id == TrainingScore.training_id)
        .where(
            Training.project_id == project_id,
            TrainingScore.slices.is_(None),
            TrainingScore.prediction_sha256.is_not(None),
        )
        .group_by(TrainingScore.training_id)
    )
    return dict(iter(rows))


def scored_masks(compared: Iterable[ComparedMask], *, with_slices: bool = False) -> tuple[ScoredLabel, ...]:
    """The scores of what is evaluated; ``with_slices``: they were read with them."""
    return tuple(
        _scored(one, one.reference, one.evaluation, with_slices=with_slices)
        for one in compared
        if one.reference is not None and one.evaluation is not None
    )


def evaluation_request(
    session: Session, *, segmentation_id: UUID, reference_id: UUID, mask_sha256: str
) -> EvaluationRequest:
    """Gather the inputs of an evaluate job, for a worker, which has no actor.

    Raises:
        NotFound: ``not_found`` when mask or reference is gone.
    """
    row = session.execute(
        sa.select(Label.index, Volume.affine_assumed, ReferenceMask)
        .select_from(Segmentation)
        .join(Annotation, Annotation.id == Segmentation.annotation_id)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(ReferenceMask, ReferenceMask.volume_id == Volume.id)
        .where(Segmentation.id == segmentation_id, ReferenceMask.id == reference_id)
    ).one_or_none()
    if row is None:
        raise NotFound(
            ErrorCode.NOT_FOUND, f"There is no mask {segmentation_id} with the reference {reference_id}."
        )
    label_index, affine_assumed, reference = row
    return EvaluationRequest(
        segmentation_id=segmentation_id,
        reference_id=reference_id,
        label_index=label_index,
        mask_sha256=mask_sha256,
        mask_affine_assumed=affine_assumed,
        reference_sha256=reference.source_sha256,
        reference_affine_assumed=reference.affine_assumed,
    )


def _row(mask: VisibleMask, reference: ReferenceMask, found: Evaluation | None) -> EvaluationRow:
    return EvaluationRow(
        segmentation_id=mask.segmentation.id,
        volume_id=mask.volume.id,
        volume_name=mask.volume.name,
        label_index=mask.label.index,
        label_name=mask.label.name,
        annotator=mask.annotator.name,
        model=mask.segmentation.model,
        reference_origin=reference.origin,
        volume_dice=None if found is None else found.volume_dice,
        slice_dice=None if found is None else found.slice_dice,
        slice_dice_all=None if found is None else found.slice_dice_all,
        hd95_mm=None if found is None else found.hd95_mm,
        nsd_2mm=None if found is None else found.nsd_2mm,
        coverage=None if found is None else found.coverage,
        volume_error=None if found is None else found.volume_error,
        predicted_ml=None if found is None else found.predicted_ml,
        reference_ml=None if found is None else found.reference_ml,
        slices_predicted=None if found is None else found.slices_predicted,
        slices_reference=None if found is None else found.slices_reference,
        evaluated_at=None if found is None else found.created_at,
    )


def _scored(
    one: ComparedMask, reference: ReferenceMask, found: Evaluation, *, with_slices: bool
) -> ScoredLabel:
    predicted_ml, reference_ml = volumes_of(found)
    return ScoredLabel(
        mask_id=one.mask.segmentation.id,
        volume_id=one.mask.volume.id,
        volume_name=one.mask.volume.name,
        label=ScoreLabel(one.mask.label.index, one.mask.label.name),
        by=one.mask.annotator.name,
        origin=reference.origin,
        scores=scores_of(found),
        predicted_ml=predicted_ml,
        reference_ml=reference_ml,
        slices=slices_of(found) if with_slices else None,
    )
