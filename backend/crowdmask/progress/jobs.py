"""Jobs as the people of a project see them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, InvalidInput, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    DerivedMask,
    Export,
    Job,
    JobKind,
    Label,
    Project,
    Role,
    Segmentation,
    Task,
    Training,
    Volume,
)
from crowdmask.progress.schemas import JobAnswer
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.web.pages import Page, PageRequest

_CODES = frozenset(code.value for code in ErrorCode)


def job_page(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    paging: PageRequest,
    states: Collection[JobState] = (),
) -> Page[JobAnswer]:
    """The jobs of a project, the newest first; only those in ``states``, if any are given.

    Raises:
        NotFound: the actor is no member. NotAllowed: no admin.
        InvalidInput: ``request_invalid`` for a cursor that is not of this list.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    rows = session.scalars(
        sa.select(Job)
        .where(
            Job.project_id == project_id,
            Job.state.in_(states) if states else sa.true(),
            sa.true() if paging.after is None else _behind(paging.after),
        )
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(paging.limit + 1)
    ).all()
    subjects = _subjects(session, rows)
    return paging.page(
        rows,
        key=lambda job: f"{job.created_at.isoformat()} {job.id}",
        shown=lambda job: _answer(job, subjects[job.id]),
    )


def retry_job(session: Session, actor: Actor, *, job_id: UUID) -> JobAnswer:
    """Try a job again that has ended, with all its attempts.

    Raises:
        NotFound: no such job in a project where the actor is an admin.
        Conflict: ``transition_invalid``, it waits or runs.
    """
    _check_administered(session, actor, job_id)
    return _told(session, jobs.retry(session, job_id))


def cancel_job(session: Session, actor: Actor, *, job_id: UUID) -> JobAnswer:
    """Stop a job: one that waits at once, one that runs at its worker's next look.

    Raises:
        NotFound: no such job in a project where the actor is an admin.
        Conflict: ``transition_invalid``, it has ended.
    """
    _check_administered(session, actor, job_id)
    return _told(session, jobs.cancel(session, job_id))


def _check_administered(session: Session, actor: Actor, job_id: UUID) -> None:
    found = session.scalar(
        sa.select(Job.id)
        .join(Project, Project.id == Job.project_id)
        .where(Job.id == job_id, takes_part(actor, Project.id, Role.ADMIN))
    )
    if found is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no job {job_id}.")


def _told(session: Session, job: Job) -> JobAnswer:
    session.refresh(job)
    return _answer(job, _subjects(session, [job])[job.id])


def _answer(job: Job, subject: str) -> JobAnswer:
    code = job.error_code
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        queue=job.queue,
        state=job.state,
        subject=subject,
        progress=job.progress,
        attempt=job.attempt,
        error_code=None if code is None else ErrorCode(code if code in _CODES else ErrorCode.INTERNAL),
        error_text=job.error_text,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _subjects(session: Session, rows: Sequence[Job]) -> dict[UUID, str]:
    """What each job is for, in the words of the screens; in a fixed number of statements."""
    masks = _names_of_masks(session, _ids(rows, "annotation_id"))
    derived = _names_of_derived(session, _ids(rows, "derived_mask_id"))
    scans = _names_of_volumes(session, _ids(rows, "volume_id"))
    versions = _versions(session, _ids(rows, "export_id"))
    evaluated = _names_of_segmentations(session, _ids(rows, "segmentation_id"))
    trainings = _names_of_trainings(session, _ids(rows, "training_id"))
    names = {**masks, **derived, **scans, **versions, **evaluated, **trainings}
    return {job.id: _subject(job, names) for job in rows}


_WORDS = {
    JobKind.SEGMENT: ("Mask", ("annotation_id", "derived_mask_id")),
    JobKind.INGEST: ("Reading", ("volume_id",)),
    JobKind.EMBED: ("Preparing", ("volume_id",)),
    JobKind.EXPORT: ("Dataset", ("export_id",)),
    JobKind.EVALUATE: ("Evaluation", ("segmentation_id", "training_id")),
    JobKind.TRAIN: ("Training", ("training_id",)),
}


def _subject(job: Job, names: dict[str, str]) -> str:
    word, keys = _WORDS[job.kind]
    name = next((names[str(job.payload[key])] for key in keys if str(job.payload.get(key)) in names), None)
    if name is None:
        return word
    return f"{word} {name}" if job.kind is JobKind.EXPORT else f"{word}: {name}"


def _ids(rows: Iterable[Job], key: str) -> set[UUID]:
    return {UUID(str(job.payload[key])) for job in rows if key in job.payload}


def _names_of_masks(session: Session, annotation_ids: Collection[UUID]) -> dict[str, str]:
    if not annotation_ids:
        return {}
    rows = session.execute(_works().add_columns(Annotation.id).where(Annotation.id.in_(annotation_ids)))
    return {str(id_): f"{label} in {volume} ({person})" for label, volume, person, id_ in rows}


def _names_of_derived(session: Session, derived_mask_ids: Collection[UUID]) -> dict[str, str]:
    if not derived_mask_ids:
        return {}
    rows = session.execute(
        sa.select(Label.name, Volume.name, DerivedMask.id)
        .select_from(DerivedMask)
        .join(Volume, Volume.id == DerivedMask.volume_id)
        .join(Label, sa.and_(Label.project_id == Volume.project_id, Label.index == DerivedMask.label_index))
        .where(DerivedMask.id.in_(derived_mask_ids))
    )
    return {str(id_): f"{label} in {volume}" for label, volume, id_ in rows}


def _names_of_segmentations(session: Session, segmentation_ids: Collection[UUID]) -> dict[str, str]:
    if not segmentation_ids:
        return {}
    rows = session.execute(
        _works()
        .join(Segmentation, Segmentation.annotation_id == Annotation.id)
        .add_columns(Segmentation.id)
        .where(Segmentation.id.in_(segmentation_ids))
    )
    return {str(id_): f"{label} in {volume} ({person})" for label, volume, person, id_ in rows}


def _works() -> sa.Select[str, str, str]:
    return (
        sa.select(Label.name, Volume.name, Account.name)
        .select_from(Annotation)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Account, Account.id == Assignment.account_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
    )


def _names_of_volumes(session: Session, volume_ids: Collection[UUID]) -> dict[str, str]:
    if not volume_ids:
        return {}
    rows = session.execute(sa.select(Volume.id, Volume.name).where(Volume.id.in_(volume_ids)))
    return {str(id_): name for id_, name in rows}


def _versions(session: Session, export_ids: Collection[UUID]) -> dict[str, str]:
    if not export_ids:
        return {}
    rows = session.execute(sa.select(Export.id, Export.version).where(Export.id.in_(export_ids)))
    return {str(id_): f"version {version}" for id_, version in rows}


def _names_of_trainings(session: Session, training_ids: Collection[UUID]) -> dict[str, str]:
    if not training_ids:
        return {}
    rows = session.execute(sa.select(Training.id, Training.name).where(Training.id.in_(training_ids)))
    return {str(id_): name for id_, name in rows}


def _behind(key: str) -> sa.ColumnElement[bool]:
    try:
        time, _, job_id = key.rpartition(" ")
        created_at, after = datetime.fromisoformat(time), UUID(job_id)
        if created_at.tzinfo is None:
            raise ValueError("no time zone")
    except ValueError:
        raise InvalidInput(
            ErrorCode.REQUEST_INVALID,
            "The cursor is not one of this list.",
            hint="Take next_cursor of the page before as it is, or leave it out for the first page.",
        ) from None
    return sa.or_(Job.created_at < created_at, sa.and_(Job.created_at == created_at, Job.id < after))
