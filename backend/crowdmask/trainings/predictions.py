"""What trained networks made of their test sets, as masks that can be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.nnunet_layout import case_name
from crowdmask.models import Export, Training, TrainingScore, Volume
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.segmentations.files import StoredMask
from crowdmask.trainings.results import score_name, scoring_references
from crowdmask.trainings.schemas import PredictionAnswer
from crowdmask.volumes.queries import SEES_ALL
from crowdmask.web.pages import By, Order, Page, PageRequest

_CONFIGURATION = sa.func.coalesce(sa.cast(TrainingScore.configuration, sa.String), "")
_DICE = sa.func.coalesce(TrainingScore.volume_dice, 2.0)
"""Behind all that are defined."""
_ORDER = Order(
    By(Training.id, UUID, falling=True),
    By(_CONFIGURATION, str),
    By(_DICE, float),
    By(TrainingScore.case, str),
    By(TrainingScore.label_index, int),
)


def prediction_file(session: Session, actor: Actor, prediction_id: UUID) -> StoredMask:
    """One label of a predicted volume, for admins, reviewers and researchers of the project; the file holds all labels, in
    the dataset's numbers.

    Raises:
        NotFound: ``not_found``.
    """
    row = session.execute(_visible(actor).where(TrainingScore.id == prediction_id)).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no prediction {prediction_id}.")
    found = _Prediction(*row)
    name = f"{case_name(found.volume.name)}_{case_name(found.name)}.nii.gz"
    return StoredMask(found.sha256, name, value=found.score.label_index)


def prediction_page(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    paging: PageRequest,
    volume_id: UUID | None = None,
) -> Page[PredictionAnswer]:
    """One page of what the trained networks of a project made of their test sets, or of one volume: the newest training first,
    the lowest Dice first.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
        InvalidInput: ``request_invalid`` for a cursor that is not of this list.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    rows = session.execute(
        _visible(actor)
        .where(
            Training.project_id == project_id,
            sa.true() if volume_id is None else Volume.id == volume_id,
            _ORDER.behind(paging.after),
        )
        .order_by(*_ORDER.columns)
        .limit(paging.limit + 1)
    )
    page = paging.page([_Prediction(*row) for row in rows], key=_key, shown=lambda one: one)
    numbers = _project_numbers(session, {one.training.export_id for one in page.items})
    trainings = {one.training.id: one.training for one in page.items}.values()
    references = {training.id: scoring_references(session, training) for training in trainings}
    answers = [
        PredictionAnswer(
            id=one.score.id,
            training_id=one.training.id,
            training_name=one.name,
            volume_id=one.volume.id,
            volume_name=one.volume.name,
            # A dataset numbers its labels anew.
            label_index=numbers[one.training.export_id].get(one.score.label_name, one.score.label_index),
            label_name=one.score.label_name,
            volume_dice=one.score.volume_dice,
            outdated_reference=one.volume.id in references[one.training.id]
            and references[one.training.id][one.volume.id].outdated,
            mask_sha256=one.sha256,
        )
        for one in page.items
    ]
    return Page(items=answers, next_cursor=page.next_cursor)


@dataclass(frozen=True, eq=False)
class _Prediction:
    """One label of one case."""

    score: TrainingScore
    training: Training
    volume: Volume

    @property
    def name(self) -> str:
        return score_name(self.training, self.score.configuration)

    @property
    def sha256(self) -> str:
        assert self.score.prediction_sha256 is not None  # others are not visible
        return self.score.prediction_sha256


def _key(one: _Prediction) -> str:
    score = one.score
    configuration = "" if score.configuration is None else score.configuration.value
    dice = 2.0 if score.volume_dice is None else score.volume_dice
    return _ORDER.key(one.training.id, configuration, dice, score.case, score.label_index)


def _visible(actor: Actor) -> sa.Select[TrainingScore, Training, Volume]:
    return (
        sa.select(TrainingScore, Training, Volume)
        .join(Training, Training.id == TrainingScore.training_id)
        .join(Volume, Volume.id == TrainingScore.volume_id)
        .where(
            TrainingScore.prediction_sha256.is_not(None), takes_part(actor, Training.project_id, *SEES_ALL)
        )
    )


def _project_numbers(session: Session, export_ids: set[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    """By dataset, the integer that each of its labels, by name, has in the project."""
    rows = session.execute(
        sa.select(Export.id, Export.selection["project_labels"]).where(Export.id.in_(export_ids))
    )
    return dict(iter(rows))
