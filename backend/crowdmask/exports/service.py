"""Freezing a dataset and recording that its folder stands."""

from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import crowdmask
from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet_layout import DatasetFolder
from crowdmask.exports.choice import CHOICE_RULE, channel_name, select_cases
from crowdmask.exports.queries import EXPORTS, export_key
from crowdmask.exports.selection import Selection
from crowdmask.models import Export, JobKind, Project, Queue
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import live_labels

FIRST_DATASET_ID = 501  # nnU-Net asks for three digits; its own examples use the lower ones


def create_export(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    name: str | None = None,
    dataset_id: int = FIRST_DATASET_ID,
) -> Export:
    """Freeze what the project has now as the next version of its dataset, and enqueue the job that writes the folder.

    Args:
        name: the part after ``DatasetNNN_`` of nnU-Net's folder name; None: the project's name.

    Raises:
        InvalidInput: ``export_empty`` when no volume has every label decided; ``labels_invalid`` when all labels were
            deleted.
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    project = session.get_one(Project, project_id, with_for_update=True)  # one version number at a time
    name = project.name if name is None else name
    live = live_labels(session, project_id)
    labels = LabelSet.from_names(label.name for label in live)
    cases, left_out = select_cases(session, project_id=project_id, labels=live)
    if not cases:
        reasons = "; ".join(f"{volume.volume_name}: {volume.reason}" for volume in left_out[:5])
        raise InvalidInput(
            ErrorCode.EXPORT_EMPTY,
            f"No volume of the project has every label decided ({reasons or 'it has no volumes'}).",
            hint="Finish the tasks of at least one volume first.",
        )
    selection = Selection(
        crowdmask=crowdmask.__version__,
        dataset_name=DatasetFolder.named(Path(), number=dataset_id, name=name).path.name,
        project_name=project.name,
        channel_name=channel_name(session, cases, project_id=project_id),
        choice_rule=CHOICE_RULE,
        labels=labels,
        project_labels={label.name: label.index for label in live},
        cases=cases,
        left_out=left_out,
    )
    newest = (
        session.scalar(sa.select(sa.func.max(Export.version)).where(Export.project_id == project_id)) or 0
    )
    export = Export(
        project_id=project_id,
        version=newest + 1,
        name=name,
        selection=selection.to_json(),
        created_by=actor.account_id,
    )
    session.add(export)
    session.flush()
    jobs.enqueue(
        session,
        JobKind.EXPORT,
        {"export_id": str(export.id)},
        idem_key=export_key(export.id),
        queue=Queue.CPU,
        project_id=project_id,
    )
    return export


def record_folder(session: Session, *, export_id: UUID, manifest_sha256: str) -> None:
    """The worker wrote the folder. A frozen export never changes: running twice gives the same manifest."""
    session.get_one(Export, export_id).manifest_sha256 = manifest_sha256
