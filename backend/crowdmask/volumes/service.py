"""Adding volumes and reference masks to a project, and recording their slice packs."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core import lifecycle
from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode, InvalidInput, NotFound
from crowdmask.core.labels import MAX_NAME, checked_name
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.core.slicepack import PackSummary
from crowdmask.core.volume import check_same_grid
from crowdmask.models import (
    Assignment,
    Job,
    JobKind,
    Project,
    Queue,
    ReferenceMask,
    ReferenceOrigin,
    Role,
    Task,
    Volume,
)
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import label_set
from crowdmask.volumes.gate import GateResult
from crowdmask.volumes.intake import Received
from crowdmask.volumes.queries import grid_of, visible_volume

LONGEST_MODALITY = 20


@dataclass(frozen=True)
class Added:
    """A volume and whether it is new; else the project had its voxels already."""

    volume: Volume
    is_new: bool


def add_volume(session: Session, actor: Actor, *, project_id: UUID, name: str, received: Received) -> Volume:
    """``add_or_find_volume``, for who does not care which of the two it was."""
    return add_or_find_volume(session, actor, project_id=project_id, name=name, received=received).volume


def add_or_find_volume(
    session: Session, actor: Actor, *, project_id: UUID, name: str, received: Received
) -> Added:
    """Add a received file to a project: ``ingesting`` with its job, or ``quarantined`` with the reason.

    A file sent under the name of a quarantined volume replaces the refused one.
    The same voxels on the same grid in the same project are the same volume: the existing row is returned. When it has
    failed, the new file takes the place of its own and is ingested; when its ingest died, that is tried again.

    Raises:
        InvalidInput: the file was refused and its name belongs to another volume: the reason of the refusal.
        Conflict: ``name_taken`` by a different volume of the project; ``transition_invalid`` when the ingest of a
            failed volume with the same voxels has just been started again.
        NotFound, NotAllowed: the actor is no admin of the project.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    name = checked_name(name)
    session.get_one(Project, project_id, with_for_update=True)  # the same file twice at once waits
    of_project = sa.select(Volume).where(Volume.project_id == project_id)
    if received.accepted is not None:
        same = session.scalar(of_project.where(Volume.voxels_sha256 == received.accepted.voxels_sha256))
        if same is not None:
            if same.state is VolumeState.FAILED:
                _accept(session, same, received, received.accepted)
            elif same.state is VolumeState.INGESTING:
                _ask_again(session, same)
            return Added(same, is_new=False)
    volume = session.scalar(of_project.where(Volume.name == name))
    if volume is None:
        volume = Volume(project_id=project_id, name=name, notices=[], created_by=actor.account_id)
        volume.state = VolumeState.QUARANTINED
        session.add(volume)
    elif received.refusal is not None and volume.state is not VolumeState.QUARANTINED:
        raise received.refusal  # the name is taken as well, but that is not what has to be mended
    elif volume.state is not VolumeState.QUARANTINED:
        raise Conflict(
            ErrorCode.NAME_TAKEN,
            f"The project already has another volume named {name!r}.",
            hint="Give this volume another name.",
        )
    volume.source_sha256, volume.volume_index = received.source_sha256, received.volume_index
    if received.refusal is not None:
        volume.refusal_code, volume.refusal_text = received.refusal.code, received.refusal.message
    session.flush()
    if received.accepted is not None:
        _accept(session, volume, received, received.accepted)
    return Added(volume, is_new=True)


def _ask_again(session: Session, volume: Volume) -> None:
    """A volume whose ingest died or was cancelled would be ingesting for ever."""
    job = session.scalars(sa.select(Job).where(Job.idem_key == _ingest_key(volume))).one()
    if job.state in (JobState.DEAD, JobState.CANCELLED):
        jobs.retry(session, job.id)


def _ingest_key(volume: Volume) -> str:
    return f"ingest:{volume.id}"


def _accept(session: Session, volume: Volume, received: Received, accepted: GateResult) -> None:
    """From quarantined or failed to ingesting."""
    job = jobs.enqueue(
        session,
        JobKind.INGEST,
        {"volume_id": str(volume.id)},
        idem_key=_ingest_key(volume),
        queue=Queue.CPU,
        project_id=volume.project_id,
    )
    if volume.state is VolumeState.FAILED:
        jobs.retry(session, job.id)  # before the volume is changed: a worker locks them in this order too
    volume.state = lifecycle.step(lifecycle.VOLUME_STEPS, volume.state, VolumeState.INGESTING)
    volume.source_sha256, volume.voxels_sha256 = received.source_sha256, accepted.voxels_sha256
    volume.affine_assumed, volume.volume_index = received.affine_assumed, received.volume_index
    volume.depth, volume.height, volume.width = accepted.grid.shape
    volume.affine = accepted.grid.affine.tolist()
    volume.notices = [notice.to_json() for notice in accepted.notices]
    volume.refusal_code = volume.refusal_text = None
    session.flush()


def add_reference(
    session: Session, actor: Actor, *, volume_id: UUID, received: Received, origin: ReferenceOrigin
) -> ReferenceMask:
    """Add the label map that came with a volume; its origin is always said. The same file again is the same reference.

    Raises:
        Conflict: ``grid_mismatch`` when it does not lie on the volume's grid; ``name_taken`` when the volume has another
            one.
        InvalidInput: ``label_values_invalid`` when it holds values that the project has no label for; or what the
            gate refused it for.
        NotFound, NotAllowed: the actor is no admin of the volume's project.
    """
    volume = visible_volume(session, actor, volume_id)
    require_role(session, actor, volume.project_id, Role.ADMIN)
    check_reference(session, volume, received)
    session.get_one(Volume, volume_id, with_for_update=True)  # the same file twice at once waits
    present = session.scalar(sa.select(ReferenceMask).where(ReferenceMask.volume_id == volume_id))
    if present is not None:
        if present.source_sha256 == received.source_sha256:
            return present
        raise Conflict(
            ErrorCode.NAME_TAKEN,
            f"The volume {volume.name!r} already has another reference mask, which stays.",
            hint="Replace it, if this one is to take its place.",
        )
    reference = new_reference(volume, received, origin)
    session.add(reference)
    session.flush()
    return reference


def check_reference(session: Session, volume: Volume, received: Received) -> None:
    """Refuse a received label map that cannot be the reference of a volume. Errors as ``add_reference``."""
    if received.accepted is None:
        assert received.refusal is not None  # one of the two is set
        raise received.refusal
    check_same_grid(
        grid_of(volume), received.accepted.grid, image_name=volume.name, label_name="The reference"
    )
    known = {label.index for label in label_set(session, volume.project_id).labels}
    foreign = sorted(set(received.accepted.label_values) - known)
    if foreign:
        raise InvalidInput(
            ErrorCode.LABEL_VALUES_INVALID,
            f"The reference of {volume.name!r} holds the values {foreign[:20]}; the project's labels are {sorted(known)}.",
            hint="Renumber the reference to the project's labels, or add the missing labels to the project.",
        )


def new_reference(volume: Volume, received: Received, origin: ReferenceOrigin) -> ReferenceMask:
    """The row of a label map that ``check_reference`` has accepted."""
    assert received.accepted is not None
    return ReferenceMask(
        volume_id=volume.id,
        source_sha256=received.source_sha256,
        origin=origin,
        affine_assumed=received.affine_assumed,
        notices=[notice.to_json() for notice in received.accepted.notices],
    )


def state_volumes(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    volume_ids: Collection[UUID],
    patient: str | None = None,
    modality: str | None = None,
    licence: str | None = None,
) -> None:
    """Say of volumes of one project what their files do not say. Datasets that were made already stay as they are.

    Args:
        patient: a pseudonym; volumes of one patient are never split between training and test.
        modality: as ``CT``; kept in upper case, so that datasets can be chosen by it.
        licence: under which the volumes may be passed on.
            Of all three: None stays as it is, empty is not stated.

    Raises:
        InvalidInput: ``option_invalid`` for text that cannot be shown or is too long.
        NotFound: there is no such volume in the project; NotAllowed: the actor is no admin of it.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    stated = {
        "patient": _stated(patient, what="A patient's pseudonym"),
        "modality": _stated(modality, what="A modality", longest=LONGEST_MODALITY),
        "licence": _stated(licence, what="A licence"),
    }
    if stated["modality"] is not None:
        stated["modality"] = stated["modality"].upper()
    wanted = set(volume_ids)
    volumes = session.scalars(
        sa.select(Volume)
        .where(Volume.project_id == project_id, Volume.id.in_(wanted))
        .order_by(Volume.id)
        .with_for_update()
    ).all()
    missing = wanted.difference(volume.id for volume in volumes)
    if missing:
        raise NotFound(ErrorCode.NOT_FOUND, f"The project has no volume {min(missing)}.")
    for volume in volumes:
        for field, value in stated.items():
            if value is not None:
                setattr(volume, field, value)
        record(session, actor, "volume_state", project_id=project_id, subject_id=volume.id)
    session.flush()


def _stated(text: str | None, *, what: str, longest: int = MAX_NAME) -> str | None:
    """None stays None, and white space is nothing stated."""
    return text and text.strip() and checked_name(text, longest=longest, what=what)


def delete_volume(session: Session, actor: Actor, *, volume_id: UUID) -> None:
    """Delete a volume that nobody has worked on, with its reference and its tasks; its files are collected a day later.

    Raises:
        Conflict: ``in_use`` when a task of it was ever given to somebody.
        NotFound, NotAllowed: the actor is no admin of the volume's project.
    """
    project_id = visible_volume(session, actor, volume_id).project_id
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(Project, project_id, with_for_update=True)  # a file of the same name at this moment waits
    volume = session.scalar(
        sa.select(Volume).where(Volume.id == volume_id).execution_options(populate_existing=True)
    )
    if volume is None:
        return  # deleted meanwhile, which is what was wanted
    # Who wants a slot of these tasks waits.
    tasks = session.scalars(sa.select(Task.id).where(Task.volume_id == volume_id).with_for_update()).all()
    given = session.scalar(
        sa.select(sa.func.count()).select_from(Assignment).where(Assignment.task_id.in_(tasks))
    )
    if given:
        raise Conflict(
            ErrorCode.IN_USE,
            f"The volume {volume.name!r} stays: people were given {given} assignment{'s' if given > 1 else ''} of it.",
            hint="Archive its tasks instead, then nobody is given more.",
        )
    of_volume = sa.or_(Job.idem_key == _ingest_key(volume), Job.idem_key.startswith(f"embed:{volume.id}:"))
    under_way = Job.state.in_((JobState.QUEUED, JobState.RUNNING))
    for job_id in session.scalars(sa.select(Job.id).where(of_volume, under_way)).all():
        jobs.cancel(session, job_id)
    session.execute(sa.delete(Task).where(Task.volume_id == volume_id))
    session.execute(sa.delete(ReferenceMask).where(ReferenceMask.volume_id == volume_id))
    session.execute(sa.delete(Volume).where(Volume.id == volume_id))


def record_pack(session: Session, *, volume_id: UUID, summary: PackSummary) -> None:
    """The worker made the slice pack: the volume is ready. Running twice changes nothing."""
    volume = session.get_one(Volume, volume_id)
    if volume.state is not VolumeState.READY:
        volume.state = lifecycle.step(lifecycle.VOLUME_STEPS, volume.state, VolumeState.READY)
    volume.pack_sha256 = summary.sha256
    volume.finite_minimum, volume.finite_maximum = summary.finite_minimum, summary.finite_maximum
    volume.percentile_low, volume.percentile_high = summary.percentile_low, summary.percentile_high


def record_refusal(session: Session, *, volume_id: UUID, refusal: CrowdmaskError) -> None:
    """The file turned out to be unusable after it was accepted: the volume has failed, with the reason."""
    volume = session.get_one(Volume, volume_id)
    if volume.state is not VolumeState.FAILED:
        volume.state = lifecycle.step(lifecycle.VOLUME_STEPS, volume.state, VolumeState.FAILED)
    volume.refusal_code, volume.refusal_text = refusal.code, refusal.message
