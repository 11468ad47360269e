"""What the worker needs to know to make one mask, and which masks there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.queries import document_at, visible_annotation
from crowdmask.core.completion import Completion
from crowdmask.core.errors import ErrorCode, InvalidInput, NotFound
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState
from crowdmask.core.preview import PreviewRequest
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.core.windowing import Window
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    Job,
    Label,
    Project,
    Role,
    Segmentation,
    Task,
    Volume,
)
from crowdmask.models.base import JsonDict
from crowdmask.projects.queries import takes_part
from crowdmask.segmentations.schemas import MaskAnswer, SegmentationAnswer
from crowdmask.volumes.queries import SEES_ALL, grid_of, window_of

DOUBTFUL_DICE = 0.7
"""A slice from which less is expected is worth a look (docs/uncertainty.md calls it bad)."""


@dataclass(frozen=True)
class SegmentRequest:
    """Boxes of one label in one volume, with all that turns them into a mask.

    ``source_sha256`` names the file whose grid the mask takes, ``pack_sha256`` the voxels. ``model``: None for the worker's
    own. ``origin``: where the boxes come from, for the mask's provenance.
    """

    label_index: int
    document: AnnotationDocument
    window: Window
    source_sha256: str
    pack_sha256: str
    affine_assumed: bool
    completion: Completion
    model: str | None
    origin: JsonDict


def segment_request(session: Session, *, annotation_id: UUID, revision: int) -> SegmentRequest:
    """Gather the inputs of a segment job.

    Raises:
        NotFound: ``not_found`` when the annotation, its revision or its slice pack is not there.
    """
    row = session.execute(
        sa.select(Annotation, Label, Volume, Project)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Annotation.id == annotation_id)
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no annotation {annotation_id}.")
    annotation, label, volume, project = row
    if volume.pack_sha256 is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The volume {volume.id} has no slice pack yet.")
    return SegmentRequest(
        label_index=label.index,
        document=document_at(session, annotation, revision),
        window=window_of(project, volume),
        source_sha256=volume.source_sha256,
        pack_sha256=volume.pack_sha256,
        affine_assumed=volume.affine_assumed,
        completion=Completion.NONE,  # what is submitted has no slice left to complete
        model=None,
        origin={"revision": revision},
    )


@dataclass(frozen=True)
class EmbedRequest:
    """A ready volume, seen with the window that masks are made with."""

    pack_sha256: str
    window: Window


def embed_request(session: Session, *, volume_id: UUID) -> EmbedRequest:
    """Gather the inputs of an embed job.

    Raises:
        NotFound: ``not_found``, the volume is gone or not ready.
    """
    row = session.execute(
        sa.select(Volume, Project)
        .join(Project, Project.id == Volume.project_id)
        .where(Volume.id == volume_id, Volume.pack_sha256.is_not(None))
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no ready volume {volume_id}.")
    volume, project = row
    assert volume.pack_sha256 is not None  # as asked for
    return EmbedRequest(pack_sha256=volume.pack_sha256, window=window_of(project, volume))


def preview_request(
    session: Session, actor: Actor, *, assignment_id: UUID, z: int, boxes: Sequence[Sequence[float]]
) -> PreviewRequest:
    """What a preview of these boxes depends on, seen with the window that the mask will be made with.

    Raises:
        NotFound: ``not_found``, the assignment is neither the actor's own nor of a project that the actor administers,
            or its volume is not ready.
        InvalidInput: ``slice_out_of_range``, ``box_invalid``.
    """
    row = session.execute(
        sa.select(Volume, Project)
        .select_from(Assignment)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Project, Project.id == Volume.project_id)
        .where(
            Assignment.id == assignment_id,
            sa.or_(
                Assignment.account_id == actor.account_id, takes_part(actor, Volume.project_id, Role.ADMIN)
            ),
        )
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no assignment {assignment_id}.")
    volume, project = row
    if volume.pack_sha256 is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The volume {volume.id} has no slice pack yet.")
    n_slices, rows, columns = grid_of(volume).shape
    if z >= n_slices:
        raise InvalidInput(
            ErrorCode.SLICE_OUT_OF_RANGE,
            f"There is no slice {z}: the volume has the slices 0 to {n_slices - 1}.",
        )
    drawn = tuple(Box.from_values(values) for values in boxes)
    for box in drawn:
        box.check_inside((rows, columns))
    return PreviewRequest(
        asker=f"{assignment_id}:{actor.account_id}",
        pack_sha256=volume.pack_sha256,
        slice=z,
        window=window_of(project, volume),
        boxes=drawn,
    )


@dataclass(frozen=True)
class VisibleMask:
    """A finished mask with the names that people know it by; ``annotator``: whose work it was made from, ``state``: how
    that work is now."""

    segmentation: Segmentation
    volume: Volume
    label: Label
    annotator: Account
    state: AnnotationState


def masks_of_project(
    session: Session, actor: Actor, *, project_id: UUID, with_provenance: bool = False
) -> list[VisibleMask]:
    """The masks of the submitted work of a project, by volume name and label.

    Annotators see those of their own work, the other roles all; a non-member sees none. Late work has filled no slot and
    is left out. Their provenance, which is long, is read at once only ``with_provenance``.
    """
    rows = session.execute(
        visible_masks(actor)
        .where(*of_submitted_work(actor, project_id))
        .order_by(Volume.name, Label.index, Segmentation.id)
        .options(*([] if with_provenance else [defer(Segmentation.provenance)]))
    )
    return [VisibleMask(*row) for row in rows]


def of_submitted_work(actor: Actor, project_id: UUID) -> list[sa.ColumnElement[bool]]:
    """The conditions of ``visible_masks`` for those of the submitted work of a project."""
    return [
        Volume.project_id == project_id,
        takes_part(actor, Volume.project_id),
        Annotation.submitted_revision == Segmentation.revision,
        Assignment.state == AssignmentState.SUBMITTED,
    ]


def visible_segmentation(session: Session, actor: Actor, segmentation_id: UUID) -> VisibleMask:
    """The mask, if it is of the actor's own work or the actor is admin, reviewer or researcher of its project.

    Raises:
        NotFound: ``not_found``.
    """
    row = session.execute(visible_masks(actor).where(Segmentation.id == segmentation_id)).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no mask {segmentation_id}.")
    return VisibleMask(*row)


def mask_answer(session: Session, actor: Actor, *, annotation_id: UUID) -> MaskAnswer:
    """How far the mask of the submitted revision is.

    Raises:
        NotFound: ``not_found``, no such annotation for the actor.
    """
    annotation = visible_annotation(session, actor, annotation_id)
    revision = annotation.submitted_revision
    if revision is None:
        return MaskAnswer(state="none", progress=0.0, error=None, segmentation=None)
    made = session.scalar(
        sa.select(Segmentation).where(
            Segmentation.annotation_id == annotation_id, Segmentation.revision == revision
        )
    )
    if made is not None:
        return MaskAnswer(state="done", progress=1.0, error=None, segmentation=segmentation_answer(made))
    job = session.scalar(sa.select(Job).where(Job.idem_key == f"segment:{annotation_id}:{revision}"))
    if job is None:
        return MaskAnswer(state="none", progress=0.0, error=None, segmentation=None)
    if job.state is JobState.RUNNING:
        return MaskAnswer(state="running", progress=job.progress, error=None, segmentation=None)
    if job.state is JobState.QUEUED:
        # What is missing for now (a model, room on the disk) is said while it waits.
        return MaskAnswer(state="queued", progress=0.0, error=job.error_text, segmentation=None)
    why = job.error_text or (
        "It was cancelled." if job.state is JobState.CANCELLED else "Its result was lost."
    )
    return MaskAnswer(state="failed", progress=job.progress, error=why, segmentation=None)


def visible_masks(actor: Actor) -> sa.Select[Segmentation, Volume, Label, Account, AnnotationState]:
    """Masks with their names: those of the actor's own work, or of projects where the actor sees all."""
    return (
        sa.select(Segmentation, Volume, Label, Account, Annotation.state)
        .join(Annotation, Annotation.id == Segmentation.annotation_id)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Account, Account.id == Assignment.account_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(
            sa.or_(Assignment.account_id == actor.account_id, takes_part(actor, Volume.project_id, *SEES_ALL))
        )
    )


def segmentation_answer(segmentation: Segmentation) -> SegmentationAnswer:
    """What is said of a mask."""
    return SegmentationAnswer(
        id=segmentation.id,
        annotation_id=segmentation.annotation_id,
        revision=segmentation.revision,
        model=segmentation.model,
        job_id=segmentation.job_id,
        mask_sha256=segmentation.mask_sha256,
        seconds=segmentation.seconds,
        has_uncertainty=segmentation.uncertainty_sha256 is not None,
        created_at=segmentation.created_at,
        **told_of_slices(segmentation.provenance),
    )


def told_of_slices(provenance: JsonDict) -> dict[str, Any]:
    """The fields of ``schemas.MadeMask`` that follow from a mask's provenance."""
    on_slices = provenance.get("slices", [])
    suggested = [one["slice"] for one in on_slices if _is_suggested(one)]
    drawn = sum(all(_is_person_made(source) for source in one.get("sources", ())) for one in on_slices)
    return {
        "predicted_iou": {
            on_slice["slice"]: min(on_slice["predicted_iou"])
            for on_slice in on_slices
            if on_slice.get("predicted_iou")
        },
        "doubtful": [one["slice"] for one in on_slices if _is_doubtful(one)],
        "drawn": drawn,
        "filled": len(on_slices) - drawn - len(suggested),
        "suggested": suggested,
    }


def _is_person_made(source: str) -> bool:
    return BoxSource(source).is_person_made


def _is_suggested(on_slice: JsonDict) -> bool:
    """Whether nobody made or looked at one of the boxes."""
    return any(
        not (confirmed or _is_person_made(source))
        for source, confirmed in zip(on_slice.get("sources", ()), on_slice.get("confirmed", ()), strict=False)
    )


def _is_doubtful(on_slice: JsonDict) -> bool:
    expected = on_slice.get("expected_dice")
    if expected is None:  # of an earlier version, or of a model that was never measured
        expected = min(on_slice.get("predicted_iou") or (1.0,))
    return bool(expected < DOUBTFUL_DICE)
