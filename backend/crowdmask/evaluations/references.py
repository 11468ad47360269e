"""What depends on a reference: asked before it is replaced or deleted."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.nnunet_layout import Split
from crowdmask.evaluations.schemas import DatasetName, ReferenceUses
from crowdmask.exports.frozen_references import holds_reference
from crowdmask.exports.selection import Selection
from crowdmask.models import Evaluation, Export, Role, Training, TrainingScore, Volume
from crowdmask.projects.policy import require_role
from crowdmask.volumes.references import visible_reference


def reference_uses(session: Session, actor: Actor, *, volume_id: UUID) -> ReferenceUses:
    """What depends on the reference of a volume.

    Raises:
        NotFound: ``not_found``, no such volume for the actor, or it has no reference; NotAllowed: the actor is no admin.
    """
    reference = visible_reference(session, actor, volume_id)
    project_id = session.get_one(Volume, volume_id).project_id
    require_role(session, actor, project_id, Role.ADMIN)
    datasets, tests = [], []
    for export in session.scalars(
        sa.select(Export).where(Export.project_id == project_id).order_by(Export.version)
    ):
        selection = Selection.from_json(export.selection)
        for case in selection.cases:
            is_its = case.reference is not None and case.reference.mask_sha256 == reference.source_sha256
            if case.volume_id == str(volume_id) and is_its and holds_reference(case):
                name = selection.dataset_name
                datasets.append(DatasetName(id=export.id, version=export.version, dataset_name=name))
                tests += [export.id] if case.split is Split.TEST else []
    scored = sa.exists().where(TrainingScore.training_id == Training.id, TrainingScore.volume_id == volume_id)
    return ReferenceUses(
        scores=session.scalars(
            sa.select(sa.func.count()).select_from(Evaluation).where(Evaluation.reference_id == reference.id)
        ).one(),
        datasets=datasets,
        trainings=list(
            session.scalars(
                sa.select(Training.name)
                .where(Training.export_id.in_(tests), scored)
                .order_by(Training.created_at)
            )
        ),
    )
