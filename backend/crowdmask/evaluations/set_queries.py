"""Reading sets of scores: which there are in a project, and what is in one."""

from collections import Counter
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from crowdmask.accounts.actor import Actor
from crowdmask.core.clock import utc_now
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.training import Configuration
from crowdmask.evaluations.queries import compared_masks, scored_masks
from crowdmask.evaluations.report import ReportFacts
from crowdmask.evaluations.schemas import ScoreSetAnswer
from crowdmask.evaluations.score_sets import (
    Label,
    ScoredLabel,
    ScoreSet,
    ScoreSetKind,
    scores_of,
    slices_of,
    volumes_of,
)
from crowdmask.exports.frozen_references import FrozenReference
from crowdmask.exports.queries import EXPORTS
from crowdmask.models import Label as ProjectLabel
from crowdmask.models import Project, Training, TrainingScore, Volume
from crowdmask.projects.policy import require_role
from crowdmask.segmentations.agreement import agreement_answer
from crowdmask.trainings.results import score_key, score_name, scoring_references, settings_of

_ALL_MASKS = "masks"
_TRAINING = "training"
_UNKNOWN = FrozenReference(None, outdated=False)


def score_set(
    session: Session, actor: Actor, *, project_id: UUID, key: str, with_slices: bool = False
) -> ScoreSet:
    """The scores that are called ``masks`` (of all submitted work), ``masks:<account id>`` (of one person's),
    ``training:<training id>`` (predictions of a training for the volumes of its test set) or, of one that has several,
    ``training:<training id>:<configuration>``.

    ``with_slices``: also the voxels of each slice, which are long.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project, or it has no such set.
    """
    require_role(session, actor, project_id, *EXPORTS)
    kind, _, named = key.partition(":")
    if key == _ALL_MASKS or (kind == _ALL_MASKS and _is_id(named)):
        compared = compared_masks(session, actor, project_id=project_id, with_slices=with_slices)
        if key == _ALL_MASKS:
            scored = scored_masks(compared, with_slices=with_slices)
            return ScoreSet(key, ScoreSetKind.MASKS, None, scored)
        compared = [one for one in compared if one.mask.annotator.id == UUID(named)]
        if compared:
            name = compared[0].mask.annotator.name
            scored = scored_masks(compared, with_slices=with_slices)
            return ScoreSet(key, ScoreSetKind.PERSON, name, scored)
    elif kind == _TRAINING:
        found = _training_set(session, project_id, key, with_slices=with_slices)
        if found is not None:
            return found
    raise NotFound(
        ErrorCode.NOT_FOUND,
        f"The project has no scores called {key!r}.",
        hint="There are masks, masks:<account id>, training:<training id>, and training:<training id>:<configuration>.",
    )


def score_set_answers(session: Session, actor: Actor, *, project_id: UUID) -> list[ScoreSetAnswer]:
    """What can be compared in a project: all masks, those of each person, and each training that has scores.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    compared = [
        one for one in compared_masks(session, actor, project_id=project_id) if one.evaluation is not None
    ]
    people = Counter((one.mask.annotator.name, one.mask.annotator.id) for one in compared)
    trainings = session.execute(
        sa.select(Training, TrainingScore.configuration, sa.func.count(TrainingScore.id))
        .join(TrainingScore, TrainingScore.training_id == Training.id)
        .where(Training.project_id == project_id)
        .group_by(Training.id, TrainingScore.configuration)
        .order_by(Training.id, TrainingScore.configuration.nulls_first())
    )
    return [
        ScoreSetAnswer(key=_ALL_MASKS, kind=ScoreSetKind.MASKS, name=None, scores=len(compared)),
        *(
            ScoreSetAnswer(key=f"{_ALL_MASKS}:{id_}", kind=ScoreSetKind.PERSON, name=name, scores=count)
            for (name, id_), count in sorted(people.items())
        ),
        *(
            ScoreSetAnswer(
                key=score_key(training, configuration),
                kind=ScoreSetKind.TRAINING,
                name=score_name(training, configuration),
                scores=count,
            )
            for training, configuration, count in trainings
        ),
    ]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _training_set(session: Session, project_id: UUID, key: str, *, with_slices: bool) -> ScoreSet | None:
    """A training's scores that are called so; None where there are none."""
    _, named, *_ = (*key.split(":"), "")
    if not _is_id(named):
        return None
    training = session.scalar(
        sa.select(Training).where(Training.id == UUID(named), Training.project_id == project_id)
    )
    if training is None:
        return None
    settings = settings_of(training)
    for configuration in (settings.result, *settings.configurations):
        if key == score_key(training, configuration):
            name = score_name(training, configuration)
            scored = _predictions(session, training, configuration, name, with_slices=with_slices)
            return ScoreSet(key, ScoreSetKind.TRAINING, name, scored)
    return None


def _predictions(
    session: Session, training: Training, configuration: Configuration | None, name: str, *, with_slices: bool
) -> tuple[ScoredLabel, ...]:
    """A dataset numbers its labels anew; here they have the numbers of the project, as far as it still has them."""
    references = scoring_references(session, training)
    rows = session.execute(
        sa.select(TrainingScore, Volume.name, ProjectLabel.index)
        .join(Volume, Volume.id == TrainingScore.volume_id)
        .outerjoin(
            ProjectLabel,
            sa.and_(
                ProjectLabel.project_id == training.project_id, ProjectLabel.name == TrainingScore.label_name
            ),
        )
        .where(TrainingScore.training_id == training.id, TrainingScore.configuration == configuration)
        .order_by(Volume.name, TrainingScore.label_index)
        .options(*([undefer(TrainingScore.slices)] if with_slices else []))
    )
    return tuple(
        ScoredLabel(
            mask_id=row.id,
            volume_id=row.volume_id,
            volume_name=volume_name,
            label=Label(row.label_index if index is None else index, row.label_name),
            by=name,
            origin=reference.origin,
            outdated=reference.outdated,
            scores=scores_of(row),
            predicted_ml=volumes_of(row)[0],
            reference_ml=volumes_of(row)[1],
            slices=slices_of(row) if with_slices else None,
        )
        for row, volume_name, index in rows
        for reference in [references.get(row.volume_id, _UNKNOWN)]
    )


def report_facts(session: Session, actor: Actor, *, project_id: UUID, address: str) -> ReportFacts:
    """What a report says of the project.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    name = session.scalars(sa.select(Project.name).where(Project.id == project_id)).one()
    return ReportFacts(
        project_id=project_id,
        project_name=name,
        address=address,
        made_at=utc_now(),
        agreement=agreement_answer(session, actor, project_id=project_id),
    )
