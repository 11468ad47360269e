"""Replacing and deleting the reference of a volume.

Datasets name the file of a reference by its hash and keep their labels, whatever becomes of the row here: storage keeps a file
as long as a dataset names it. Scores of masks belong to the row and go with it: they would be read as those of the next reference.
"""

from contextlib import suppress
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core.errors import Conflict, ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.models import Evaluation, Job, JobKind, ReferenceMask, ReferenceOrigin, Role, Volume
from crowdmask.projects.policy import require_role
from crowdmask.volumes.intake import Received
from crowdmask.volumes.queries import visible_volume
from crowdmask.volumes.service import check_reference, new_reference


def replace_reference(
    session: Session, actor: Actor, *, volume_id: UUID, received: Received, origin: ReferenceOrigin
) -> ReferenceMask:
    """Put an accepted label map in the place of the reference that a volume has; scores of masks against that one go.

    The same file again corrects only who made it; its scores stay.

    Raises:
        NotFound: the volume has no reference, or the actor does not see it; NotAllowed: the actor is no admin of its project.
        Conflict, InvalidInput: as ``add_reference``; the present reference stays.
    """
    volume = visible_volume(session, actor, volume_id)
    require_role(session, actor, volume.project_id, Role.ADMIN)
    check_reference(session, volume, received)
    present = _present(session, volume)
    if present.source_sha256 == received.source_sha256:
        present.origin = origin
        reference = present
    else:
        _drop(session, volume, present)
        reference = new_reference(volume, received, origin)
        session.add(reference)
    record(session, actor, "reference_replace", project_id=volume.project_id, subject_id=volume.id)
    session.flush()
    return reference


def delete_reference(session: Session, actor: Actor, *, volume_id: UUID) -> None:
    """Take the reference from a volume; scores of masks against it go with it.

    Raises:
        NotFound: the volume has no reference, or the actor does not see it; NotAllowed: the actor is no admin of its project.
    """
    volume = visible_volume(session, actor, volume_id)
    require_role(session, actor, volume.project_id, Role.ADMIN)
    _drop(session, volume, _present(session, volume))
    record(session, actor, "reference_delete", project_id=volume.project_id, subject_id=volume.id)
    session.flush()


def _present(session: Session, volume: Volume) -> ReferenceMask:
    session.get_one(
        Volume, volume.id, with_for_update=True
    )  # who adds or changes one at the same moment waits
    present = session.scalar(sa.select(ReferenceMask).where(ReferenceMask.volume_id == volume.id))
    if present is None:
        raise NotFound(
            ErrorCode.NOT_FOUND,
            f"The volume {volume.name!r} has no reference.",
            hint="Add one; it may have been deleted meanwhile.",
        )
    return present


def _drop(session: Session, volume: Volume, reference: ReferenceMask) -> None:
    """Jobs first, then the reference: a worker that writes down a score locks them in this order too."""
    scoring = session.scalars(
        sa.select(Job.id).where(
            Job.project_id == volume.project_id,
            Job.kind == JobKind.EVALUATE,
            Job.idem_key.endswith(f":{reference.id}"),
            Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        )
    ).all()
    for job_id in scoring:
        with suppress(Conflict):  # it has ended meanwhile; its score goes below
            jobs.cancel(session, job_id)
    session.refresh(reference, with_for_update=True)
    session.execute(sa.delete(Evaluation).where(Evaluation.reference_id == reference.id))
    session.delete(reference)
    session.flush()  # a volume has one reference: the old one goes before the new one comes
