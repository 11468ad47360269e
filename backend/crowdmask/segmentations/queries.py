"""What the worker needs to know to make one mask, and which masks there are."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.queries import document_at
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.core.windowing import Window
from crowdmask.models import (
    Annotation,
    Assignment,
    Label,
    Membership,
    Project,
    Role,
    Segmentation,
    Task,
    Volume,
)
from crowdmask.volumes.queries import window_of

_SEES_ALL = (Role.ADMIN, Role.REVIEWER, Role.RESEARCHER)


@dataclass(frozen=True)
class SegmentRequest:
    """One revision of one annotation, with all that turns it into a mask.

    ``source_sha256`` names the file whose grid the mask takes, ``pack_sha256`` the voxels.
    """

    annotation_id: UUID
    revision: int
    label_index: int
    document: AnnotationDocument
    window: Window
    source_sha256: str
    pack_sha256: str
    affine_assumed: bool


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
        annotation_id=annotation_id,
        revision=revision,
        label_index=label.index,
        document=document_at(session, annotation, revision),
        window=window_of(project, volume),
        source_sha256=volume.source_sha256,
        pack_sha256=volume.pack_sha256,
        affine_assumed=volume.affine_assumed,
    )


@dataclass(frozen=True)
class VisibleMask:
    """A finished mask with the names that people know it by."""

    segmentation: Segmentation
    volume: Volume
    label: Label


def masks_of_project(session: Session, actor: Actor, *, project_id: UUID) -> list[VisibleMask]:
    """The masks of the submitted work of a project, by volume name and label.

    Annotators see those of their own work, the other roles all; a non-member sees none. Late work has filled no slot and
    is left out.
    """
    rows = session.execute(
        sa.select(Segmentation, Volume, Label)
        .join(
            Annotation,
            (Annotation.id == Segmentation.annotation_id)
            & (Annotation.submitted_revision == Segmentation.revision),
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Membership, Membership.project_id == Volume.project_id)
        .where(
            Volume.project_id == project_id,
            Assignment.state == AssignmentState.SUBMITTED,
            Membership.account_id == actor.account_id,
            sa.or_(Membership.role.in_(_SEES_ALL), Assignment.account_id == actor.account_id),
        )
        .order_by(Volume.name, Label.index, Segmentation.created_at)
    )
    return [VisibleMask(*row) for row in rows]
