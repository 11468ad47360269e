"""Reading trainings, and what the worker needs to know to do one step."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.exports.queries import EXPORTS
from crowdmask.models import Account, Export, Job, Training, TrainingScore, TrainingStage, TrainingStep
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.trainings.dataset import TrainedDataset, difference
from crowdmask.trainings.results import scoring_references, settings_of, training_results
from crowdmask.trainings.schemas import (
    DatasetPair,
    EpochAnswer,
    TrainingAnswer,
    TrainingDetails,
    TrainingSettingsAnswer,
    TrainingState,
    TrainingStepAnswer,
    TrainingStepDetails,
)

_STATES = {
    JobState.QUEUED: TrainingState.QUEUED,
    JobState.RUNNING: TrainingState.RUNNING,
    JobState.DONE: TrainingState.DONE,
    JobState.DEAD: TrainingState.FAILED,
    JobState.CANCELLED: TrainingState.CANCELLED,
}


@dataclass(frozen=True)
class StepRequest:
    """One step of a training, with all that it takes to do it. ``folds``: all that the training trains."""

    training_id: UUID
    step_id: UUID
    stage: TrainingStage
    configuration: Configuration | None
    fold: int | None
    folds: tuple[int, ...]
    settings: TrainingSettings
    export_id: UUID
    dataset: TrainedDataset


@dataclass(frozen=True)
class PredictedCase:
    """A test case whose prediction is kept, as a blob. ``values``: by the id of each score the label's integer in it."""

    case: str
    sha256: str
    values: Mapping[UUID, int]


@dataclass(frozen=True)
class SlicesRequest:
    """The predictions of a training, and the dataset whose test labels they are measured with."""

    export_id: UUID
    dataset_name: str
    cases: tuple[PredictedCase, ...]


def training_answers(session: Session, actor: Actor, *, project_id: UUID) -> list[TrainingAnswer]:
    """The trainings of a project, the newest first.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    return _answers(session, Training.project_id == project_id)


def training_answer(session: Session, actor: Actor, *, training_id: UUID) -> TrainingAnswer:
    """One training and how far it is.

    Raises:
        NotFound, NotAllowed: there is no such training for the actor, who is neither admin nor researcher of its project.
    """
    training = visible_training(session, actor, training_id)
    (answer,) = _answers(session, Training.id == training.id)
    return answer


def training_details(session: Session, actor: Actor, *, training_id: UUID) -> TrainingDetails:
    """One training, with the epochs and the end of the log of each step. Errors as ``training_answer``."""
    training = visible_training(session, actor, training_id)
    (answer,) = _answers(session, Training.id == training.id)
    steps = steps_of(session, training_id)
    export = session.get_one(Export, training.export_id)
    results = training_results(session, training)
    references = list(scoring_references(session, training).values()) if results else []
    return TrainingDetails(
        training=answer,
        labels=[label.name for label in TrainedDataset.of(export).labels.labels],
        results=results,
        origins=sorted({one.origin for one in references if one.origin is not None}),
        outdated_references=sum(one.outdated for one in references),
        steps=[
            TrainingStepDetails(
                **told.model_dump(),
                log=step.log,
                epochs=[EpochAnswer.model_validate(epoch) for epoch in step.epochs],
            )
            for told, step in zip(answer.steps, steps, strict=True)
        ],
    )


def dataset_pairs(session: Session, actor: Actor, *, project_id: UUID) -> list[DatasetPair]:
    """The comparison pairs among the project's written datasets, the older dataset of each first.

    Raises:
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    exports = session.scalars(
        sa.select(Export)
        .where(
            Export.project_id == project_id,
            Export.pair_id.is_not(None),
            Export.manifest_sha256.is_not(None),
        )
        .order_by(Export.version)
    )
    datasets = [(export, TrainedDataset.of(export)) for export in exports]
    return [
        DatasetPair(export_id=one.id, other_id=other.id, differs=differs)
        for (one, first), (other, second) in combinations(datasets, 2)
        if one.pair_id == other.pair_id and (differs := difference(first, second)) is not None
    ]


def slices_request(session: Session, *, training_id: UUID) -> SlicesRequest:
    """Gather what it takes to measure a training's predictions slice by slice, for a worker, which has no actor.

    Raises:
        NotFound: ``not_found`` when the training is gone.
    """
    training = session.get(Training, training_id)
    if training is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no training {training_id}.")
    rows = session.execute(
        sa.select(
            TrainingScore.case, TrainingScore.prediction_sha256, TrainingScore.id, TrainingScore.label_index
        ).where(TrainingScore.training_id == training_id, TrainingScore.prediction_sha256.is_not(None))
    )
    values: defaultdict[tuple[str, str], dict[UUID, int]] = defaultdict(dict)
    for case, sha256, score_id, value in rows:
        values[case, sha256 or ""][score_id] = value
    return SlicesRequest(
        export_id=training.export_id,
        dataset_name=TrainedDataset.of(session.get_one(Export, training.export_id)).name,
        cases=tuple(PredictedCase(*key, found) for key, found in sorted(values.items())),
    )


def visible_training(session: Session, actor: Actor, training_id: UUID) -> Training:
    """The training, for the admins and researchers of its project.

    Raises:
        NotFound: ``not_found``, also for who is no member.
        NotAllowed: ``not_allowed`` for members with another role.
    """
    training = session.scalar(
        sa.select(Training).where(Training.id == training_id, takes_part(actor, Training.project_id))
    )
    if training is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no training {training_id}.")
    require_role(session, actor, training.project_id, *EXPORTS)
    return training


def steps_of(session: Session, training_id: UUID) -> Sequence[TrainingStep]:
    """The steps of a training in their order."""
    return session.scalars(
        sa.select(TrainingStep)
        .where(TrainingStep.training_id == training_id)
        .order_by(TrainingStep.position)
        .execution_options(populate_existing=True)
    ).all()


def step_request(session: Session, *, step_id: UUID) -> StepRequest:
    """Gather the inputs of a train job, for a worker, which has no actor.

    Raises:
        NotFound: ``not_found`` when there is no such step any more.
    """
    step = session.get(TrainingStep, step_id)
    if step is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no step {step_id} of a training.")
    training = session.get_one(Training, step.training_id)
    return StepRequest(
        training_id=training.id,
        step_id=step.id,
        stage=step.stage,
        configuration=step.configuration,
        fold=step.fold,
        folds=tuple(sorted({one.fold for one in steps_of(session, training.id) if one.fold is not None})),
        settings=settings_of(training),
        export_id=training.export_id,
        dataset=TrainedDataset.of(session.get_one(Export, training.export_id)),
    )


def _answers(session: Session, which: sa.ColumnElement[bool]) -> list[TrainingAnswer]:
    rows = session.execute(
        sa.select(Training, Export, Account.name)
        .join(Export, Export.id == Training.export_id)
        .join(Account, Account.id == Training.created_by)
        .where(which)
        .order_by(Training.created_at.desc(), Training.id.desc())
    ).all()
    ids = [training.id for training, _, _ in rows]
    steps = _steps(session, ids)
    counted = session.execute(
        sa.select(TrainingScore.training_id, TrainingScore.configuration, sa.func.count())
        .where(TrainingScore.training_id.in_(ids))
        .group_by(TrainingScore.training_id, TrainingScore.configuration)
    )
    scored = {(id_, configuration): count for id_, configuration, count in counted}
    return [
        _answer(
            training,
            export,
            name,
            steps[training.id],
            scored.get((training.id, settings_of(training).result), 0),
        )
        for training, export, name in rows
    ]


def _steps(session: Session, training_ids: Sequence[UUID]) -> defaultdict[UUID, list[TrainingStepAnswer]]:
    """Without logs and epochs, which may be long."""
    rows = session.execute(
        sa.select(
            TrainingStep.training_id,
            TrainingStep.position,
            TrainingStep.stage,
            TrainingStep.configuration,
            TrainingStep.fold,
            Job,
        )
        .outerjoin(Job, Job.id == TrainingStep.job_id)
        .where(TrainingStep.training_id.in_(training_ids))
        .order_by(TrainingStep.position)
    )
    found: defaultdict[UUID, list[TrainingStepAnswer]] = defaultdict(list)
    for training_id, position, stage, configuration, fold, job in rows:
        found[training_id].append(
            TrainingStepAnswer(
                position=position,
                stage=stage,
                configuration=configuration,
                fold=fold,
                state=TrainingState.WAITING if job is None else _STATES[job.state],
                progress=0.0 if job is None else job.progress,
                # Of a waiting job: what is missing for now, as room on the disk.
                error=None if job is None or job.state is JobState.RUNNING else job.error_text,
            )
        )
    return found


def _answer(
    training: Training, export: Export, created_by: str, steps: list[TrainingStepAnswer], scored: int
) -> TrainingAnswer:
    # Steps follow each other: the first that is not done says how the training is.
    current = next((step for step in steps if step.state is not TrainingState.DONE), None)
    return TrainingAnswer(
        id=training.id,
        name=training.name,
        export_id=training.export_id,
        dataset_name=TrainedDataset.of(export).name,
        dataset_version=export.version,
        settings=TrainingSettingsAnswer.of(settings_of(training)),
        state=TrainingState.DONE if current is None else current.state,
        progress=sum(step.progress for step in steps) / len(steps),
        error=None if current is None else current.error,
        steps=steps,
        scored=scored,
        created_by=created_by,
        created_at=training.created_at,
    )
