"""Reading exports. What the actor may not see is not there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.exports.choice import select_cases
from crowdmask.exports.schemas import ExportAnswer, ExportPreview, LeftOutAnswer
from crowdmask.exports.selection import MANIFEST_NAME, LeftOut, Selection
from crowdmask.infra.storage import sha256_of
from crowdmask.models import Account, Export, Job, Role
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import live_labels, takes_part

EXPORTS = (Role.ADMIN, Role.RESEARCHER)


def export_answers(session: Session, actor: Actor, *, project_id: UUID) -> list[ExportAnswer]:
    """The datasets of a project, the newest first.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    return _export_answers(session, Export.project_id == project_id)


def export_answer(session: Session, actor: Actor, *, export_id: UUID) -> ExportAnswer:
    """One dataset and how far it is.

    Raises:
        NotFound, NotAllowed: there is no such export for the actor, who is neither admin nor researcher of its project.
    """
    export = visible_export(session, actor, export_id)
    (answer,) = _export_answers(session, Export.id == export.id)
    return answer


def visible_export(session: Session, actor: Actor, export_id: UUID) -> Export:
    """The export, for the admins and researchers of its project.

    Raises:
        NotFound: ``not_found``, also for who is no member.
        NotAllowed: ``not_allowed`` for members with another role.
    """
    export = session.scalar(
        sa.select(Export).where(Export.id == export_id, takes_part(actor, Export.project_id))
    )
    if export is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no export {export_id}.")
    require_role(session, actor, export.project_id, *EXPORTS)
    return export


def export_preview(session: Session, actor: Actor, *, project_id: UUID) -> ExportPreview:
    """What an export made now would hold; nothing is frozen, and nothing to export is no error.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    labels = live_labels(session, project_id)
    if not labels:  # every label was deleted: without any, every volume would count as decided
        return ExportPreview(cases=[], left_out=[])
    cases, left_out = select_cases(session, project_id=project_id, labels=labels)
    return ExportPreview(cases=[case.case for case in cases], left_out=_left_out(left_out))


def written_folder(session: Session, actor: Actor, exports_dir: Path, *, export_id: UUID) -> Path:
    """The folder of a dataset that its job has written.

    Raises:
        NotFound, NotAllowed: as ``export_answer``.
        Conflict: ``not_open`` while it is not written.
        Corrupt: ``blob_missing`` when the folder is gone; ``blob_corrupt`` when it is another one.
    """
    export = visible_export(session, actor, export_id)
    if export.manifest_sha256 is None:
        raise Conflict(
            ErrorCode.NOT_OPEN,
            f"Version {export.version} of the dataset is not written yet.",
            hint="Wait until it is done; if it failed, retry its job.",
        )
    folder = exports_dir / str(export_id) / Selection.from_json(export.selection).dataset_name
    manifest = folder / MANIFEST_NAME
    if not manifest.is_file():
        raise Corrupt(
            ErrorCode.BLOB_MISSING,
            f"The folder of version {export.version} of the dataset is gone.",
            hint="Retry its job: the same choice gives the same bytes.",
        )
    if sha256_of(manifest) != export.manifest_sha256:
        raise Corrupt(
            ErrorCode.BLOB_CORRUPT,
            f"The folder of version {export.version} of the dataset has been changed.",
            hint="Move it away and retry its job: the same choice gives the same bytes.",
        )
    return folder


def _export_answers(session: Session, which: sa.ColumnElement[bool]) -> list[ExportAnswer]:
    rows = session.execute(
        sa.select(Export, Account.name)
        .join(Account, Account.id == Export.created_by)
        .where(which)
        .order_by(Export.version.desc())
    ).all()
    keys = [export_key(export.id) for export, _ in rows]
    jobs = {job.idem_key: job for job in session.scalars(sa.select(Job).where(Job.idem_key.in_(keys)))}
    return [_export_answer(export, name, jobs.get(export_key(export.id))) for export, name in rows]


def _export_answer(export: Export, created_by: str, job: Job | None) -> ExportAnswer:
    selection = Selection.from_json(export.selection)
    state: Any = "done"
    progress, error = 1.0, None
    if export.manifest_sha256 is None:
        state, progress = "queued", 0.0
        if job is not None and job.state is not JobState.QUEUED:
            state = "running" if job.state is JobState.RUNNING else "failed"
            progress = job.progress
        if job is not None and state != "running":
            # Of a waiting job: what is missing for now, as room on the disk.
            error = job.error_text or ("It was cancelled." if job.state is JobState.CANCELLED else None)
    return ExportAnswer(
        id=export.id,
        version=export.version,
        dataset_name=selection.dataset_name,
        state=state,
        progress=progress,
        error=error,
        cases=[case.case for case in selection.cases],
        labels={label.name: label.index for label in selection.labels.labels},
        left_out=_left_out(selection.left_out),
        manifest_sha256=export.manifest_sha256,
        created_by=created_by,
        created_at=export.created_at,
    )


def export_key(export_id: UUID) -> str:
    """The key of the job that writes the export."""
    return f"export:{export_id}"


def _left_out(volumes: Sequence[LeftOut]) -> list[LeftOutAnswer]:
    return [LeftOutAnswer.model_validate(volume) for volume in volumes]
