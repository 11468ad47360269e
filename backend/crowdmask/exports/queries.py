"""Reading exports. What the actor may not see is not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.dataset_card import CARD_NAME
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.exports.choice import Applied, apply_choice
from crowdmask.exports.frozen_references import References, holds_reference
from crowdmask.exports.parts import parts_of
from crowdmask.exports.schemas import (
    ChoiceAnswer,
    DroppedLabelAnswer,
    ExportAnswer,
    ExportPreview,
    LeftOutAnswer,
)
from crowdmask.exports.selection import (
    CROWD_FOLDER,
    FIRST_DATASET_ID,
    MANIFEST_NAME,
    SPLITS_NAME,
    LeftOut,
    Selection,
)
from crowdmask.infra.storage import sha256_of
from crowdmask.models import Account, Export, Job, Project, Role
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import live_labels, takes_part
from crowdmask.segmentations.derived import DerivedState, derived_state, made_masks

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


def export_preview(
    session: Session, actor: Actor, *, project_id: UUID, choice: DatasetChoice, default_model: str
) -> ExportPreview:
    """What an export made now would hold; nothing is frozen, and nothing to export is no error.

    Raises:
        InvalidInput: ``label_unknown``, ``option_invalid`` when the choice cannot be met whatever the work is.
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    applied = apply_choice(
        session,
        project=session.get_one(Project, project_id),
        labels=live_labels(session, project_id),
        choice=choice,
        default_model=default_model,
    )
    return ExportPreview(
        cases=[case.case for case in applied.training],
        test_cases=[case.case for case in applied.test],
        labels=[label.name for label in applied.labels],
        left_out=_left_out(applied.left_out),
        dropped_labels=_dropped(applied.dropped_labels),
        partial_cases=[case.case for case in applied.training if any(mask.undecided for mask in case.masks)],
        masks_to_make=len(applied.wishes) - len(made_masks(session, applied.wishes)),
        problem=None if applied.problem is None else str(applied.problem),
        files=_files(applied),
    )


def _files(applied: Applied) -> list[str]:
    """Of the folder that would be written; none when nothing goes in."""
    if not applied.cases:
        return []
    folder = DatasetFolder.named(Path(), number=FIRST_DATASET_ID, name="Preview")
    files = [folder.description_path, folder.path / MANIFEST_NAME, folder.path / CARD_NAME]
    if any(mask.answers for case in applied.cases for mask in case.masks):
        files.append(folder.path / CROWD_FOLDER / "boxes.csv")
    files += [folder.path / SPLITS_NAME] if applied.folds else []
    for case in applied.cases:
        files.append(folder.image_path(case.case, split=case.split))
        files.append(folder.label_path(case.case, split=case.split))
    return sorted(path.relative_to(folder.path).as_posix() for path in files)


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
    references = References(session, {export.project_id for export, _ in rows})
    return [
        _export_answer(session, export, name, jobs.get(export_key(export.id)), references)
        for export, name in rows
    ]


@dataclass(frozen=True)
class _Progress:
    state: Literal["making", "queued", "running", "done", "failed"]
    progress: float
    error: str | None


def _export_answer(
    session: Session, export: Export, created_by: str, job: Job | None, references: References
) -> ExportAnswer:
    selection = Selection.from_json(export.selection)
    keys = selection.derived_keys()
    masks = DerivedState(len(keys), failed=False, error=None)
    if keys and export.manifest_sha256 is None:
        masks = derived_state(session, keys)
    now = _progress(export, job, masks, len(keys))
    return ExportAnswer(
        id=export.id,
        version=export.version,
        dataset_name=selection.dataset_name,
        state=now.state,
        progress=now.progress,
        error=now.error,
        cases=[case.case for case in selection.of(Split.TRAINING)],
        test_cases=[case.case for case in selection.of(Split.TEST)],
        n_folds=len(selection.folds),
        labels={label.name: label.index for label in selection.labels.labels},
        left_out=_left_out(selection.left_out),
        dropped_labels=_dropped(selection.dropped_labels),
        masks_needed=len(keys),
        masks_made=masks.made,
        choice=ChoiceAnswer.model_validate(selection.choice.to_json()),
        pair_id=export.pair_id,
        parts=parts_of(selection),
        outdated_references=references.outdated(case for case in selection.cases if holds_reference(case)),
        manifest_sha256=export.manifest_sha256,
        created_by=created_by,
        created_at=export.created_at,
    )


def _progress(export: Export, job: Job | None, masks: DerivedState, needed: int) -> _Progress:
    if export.manifest_sha256 is not None:
        return _Progress("done", 1.0, None)
    if masks.made < needed:
        return _Progress("failed" if masks.failed else "making", masks.made / needed, masks.error)
    if job is None or job.state is JobState.QUEUED:
        # What a waiting job says is what is missing for now, as room on the disk.
        return _Progress("queued", 0.0, None if job is None else job.error_text)
    if job.state is JobState.RUNNING:
        return _Progress("running", job.progress, None)
    cancelled = "It was cancelled." if job.state is JobState.CANCELLED else None
    return _Progress("failed", job.progress, job.error_text or cancelled)


def export_key(export_id: UUID) -> str:
    """The key of the job that writes the export."""
    return f"export:{export_id}"


def _left_out(volumes: Sequence[LeftOut]) -> list[LeftOutAnswer]:
    return [LeftOutAnswer.model_validate(volume) for volume in volumes]


def _dropped(labels: Mapping[str, str]) -> list[DroppedLabelAnswer]:
    return [DroppedLabelAnswer(label=label, reason=reason) for label, reason in labels.items()]
