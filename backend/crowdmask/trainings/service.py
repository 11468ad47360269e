"""Starting, ending and resuming trainings, and recording what their steps did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.lifecycle import JobState
from crowdmask.core.slice_overlap import SliceOverlap
from crowdmask.core.statistics import defined
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.exports.queries import visible_export
from crowdmask.models import (
    Job,
    JobKind,
    Queue,
    Training,
    TrainingScore,
    TrainingStage,
    TrainingStep,
)
from crowdmask.trainings.dataset import OWN_FOLDS, TrainedDataset, difference
from crowdmask.trainings.queries import steps_of, visible_training

if TYPE_CHECKING:  # a server starts without scipy.spatial
    from crowdmask.core.metrics import Scores

_ENDED = frozenset({JobState.DEAD, JobState.CANCELLED})


@dataclass(frozen=True)
class ScoredLabel:
    """One label of a predicted test case. ``voxel_ml``: volume of one voxel."""

    case: str
    volume_id: UUID
    label_index: int
    label_name: str
    scores: "Scores"
    voxel_ml: float
    prediction_sha256: str


def start_training(
    session: Session,
    actor: Actor,
    *,
    export_id: UUID,
    settings: TrainingSettings,
    name: str | None = None,
) -> Training:
    """Begin a training of a written dataset: its steps, and the job of the first of them.

    Args:
        name: None for one made of the dataset's and the configurations.

    Raises:
        NotFound, NotAllowed: there is no such dataset for the actor, who is neither admin nor researcher of its project.
        Conflict: ``not_open`` while the dataset is not written.
        InvalidInput: ``option_invalid`` when a fold is not there.
    """
    export = visible_export(session, actor, export_id)
    dataset = TrainedDataset.of(export)
    if export.manifest_sha256 is None:
        raise Conflict(
            ErrorCode.NOT_OPEN,
            f"Version {export.version} of the dataset is not written yet.",
            hint="Wait until it is done; if it failed, retry its job.",
        )
    folds = _folds(dataset, settings)
    training = Training(
        project_id=export.project_id,
        export_id=export.id,
        name=name or f"{dataset.name} {' + '.join(settings.configurations)}",
        settings=settings.to_json(),
        created_by=actor.account_id,
    )
    session.add(training)
    session.flush()
    steps = [
        TrainingStep(
            training_id=training.id, position=position, stage=stage, configuration=configuration, fold=fold
        )
        for position, (stage, configuration, fold) in enumerate(_steps(dataset, settings, folds))
    ]
    session.add_all(steps)
    session.flush()
    _enqueue(session, training, steps[0])
    return training


def start_pair(
    session: Session, actor: Actor, *, export_id: UUID, other_id: UUID, settings: TrainingSettings
) -> tuple[Training, Training]:
    """Begin the trainings of two datasets that were made to be compared, with the same settings.

    Raises:
        InvalidInput: ``option_invalid`` when they are no comparison pair.
        CrowdmaskError: as ``start_training``, for either of them.
    """
    one, other = (visible_export(session, actor, id_) for id_ in (export_id, other_id))
    is_pair = one.pair_id is not None and one.pair_id == other.pair_id
    if not is_pair or difference(TrainedDataset.of(one), TrainedDataset.of(other)) is None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"Versions {one.version} and {other.version} of the dataset are no comparison pair.",
            hint="A pair is a dataset and one that was made to compare it with: other labels, or other scans, not both.",
        )
    return (
        start_training(session, actor, export_id=one.id, settings=settings),
        start_training(session, actor, export_id=other.id, settings=settings),
    )


def cancel_training(session: Session, actor: Actor, *, training_id: UUID) -> Training:
    """Stop a training: a waiting step at once, a running one at its worker's next look. It can be resumed.

    Raises:
        NotFound, NotAllowed: as ``start_training``.
        Conflict: ``transition_invalid`` when it has ended.
    """
    training = visible_training(session, actor, training_id)
    jobs.cancel(session, _current_job(session, training).id)
    return training


def resume_training(session: Session, actor: Actor, *, training_id: UUID) -> Training:
    """Go on with a training that failed or was cancelled: a fold goes on from its last checkpoint.

    Raises:
        NotFound, NotAllowed: as ``start_training``.
        Conflict: ``transition_invalid`` when it waits, runs or is done.
    """
    training = visible_training(session, actor, training_id)
    job = _current_job(session, training)
    if job.state not in _ENDED:
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            f"The training {training.name!r} is {job.state.value}.",
            hint="Only one that failed or was cancelled can be resumed.",
        )
    jobs.retry(session, job.id)
    return training


def record_progress(session: Session, *, step_id: UUID, log: str, epochs: list[dict[str, Any]]) -> None:
    """What a step has printed so far; for those who watch."""
    session.execute(sa.update(TrainingStep).where(TrainingStep.id == step_id).values(log=log, epochs=epochs))


def record_step(session: Session, *, step_id: UUID) -> None:
    """A step is done: ask for the next one, if there is one."""
    step = session.get_one(TrainingStep, step_id)
    following = [one for one in steps_of(session, step.training_id) if one.position > step.position]
    if following:
        _enqueue(session, session.get_one(Training, step.training_id), following[0])


def record_scores(
    session: Session,
    *,
    training_id: UUID,
    configuration: Configuration | None,
    scored: Sequence[ScoredLabel],
) -> None:
    """Keep how the networks of a configuration (None: all together) do on the test set; made again, it replaces what was
    there. Undefined scores are null."""
    session.execute(
        sa.delete(TrainingScore).where(
            TrainingScore.training_id == training_id, TrainingScore.configuration == configuration
        )
    )
    session.add_all(
        TrainingScore(
            training_id=training_id,
            configuration=configuration,
            case=one.case,
            volume_id=one.volume_id,
            label_index=one.label_index,
            label_name=one.label_name,
            volume_dice=defined(one.scores.volume_dice),
            slice_dice=defined(one.scores.slice_dice),
            slice_dice_all=defined(one.scores.slice_dice_all),
            slices_predicted=one.scores.slices_predicted,
            slices_reference=one.scores.slices_reference,
            hd95_mm=defined(one.scores.hd95_mm),
            nsd_2mm=defined(one.scores.nsd_2mm),
            coverage=defined(one.scores.coverage),
            volume_error=defined(one.scores.volume_error),
            predicted_ml=one.scores.predicted_voxels * one.voxel_ml,
            reference_ml=one.scores.reference_voxels * one.voxel_ml,
            prediction_sha256=one.prediction_sha256,
            slices=one.scores.slices.to_json(),
        )
        for one in scored
    )
    session.flush()


def record_slices(session: Session, *, slices: Mapping[UUID, SliceOverlap]) -> None:
    """Add the voxels of each slice to scores that were made without them, by their ids; one that is gone is passed."""
    for score_id, found in slices.items():
        session.execute(
            sa.update(TrainingScore).where(TrainingScore.id == score_id).values(slices=found.to_json())
        )


def _steps(
    dataset: TrainedDataset, settings: TrainingSettings, folds: Sequence[int]
) -> Iterator[tuple[TrainingStage, Configuration | None, int | None]]:
    """What is done one after the other: each configuration's scores are there before the next one is trained."""
    yield TrainingStage.PLAN, None, None
    for configuration in settings.configurations:
        for fold in folds:
            yield TrainingStage.TRAIN, configuration, fold
        if dataset.test_cases:
            yield TrainingStage.PREDICT, configuration, None
    if dataset.test_cases and settings.result is None:
        yield TrainingStage.ENSEMBLE, None, None


def _folds(dataset: TrainedDataset, settings: TrainingSettings) -> tuple[int, ...]:
    """The folds to train, in their order."""
    if dataset.folds == 0 and dataset.training_cases < OWN_FOLDS:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{dataset.name} has {dataset.training_cases} training scans and brings no folds; the {OWN_FOLDS} that "
            "nnU-Net makes by itself need as many scans.",
            hint="Make the dataset with fewer folds.",
        )
    n_folds = dataset.folds or OWN_FOLDS
    folds = tuple(sorted(settings.folds)) or tuple(range(n_folds))
    if folds[-1] >= n_folds:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{dataset.name} has no fold {folds[-1]}: it has {n_folds}, numbered from 0.",
        )
    return folds


def _enqueue(session: Session, training: Training, step: TrainingStep) -> None:
    """Ask for a step's job; for one that was done before, because its result was lost, again."""
    job = jobs.enqueue(
        session,
        JobKind.TRAIN,
        {"training_id": str(training.id), "step_id": str(step.id)},
        idem_key=f"train:{step.id}",
        queue=Queue.TRAIN,
        project_id=training.project_id,
        account_id=training.created_by,
    )
    step.job_id = job.id
    session.flush()


def _current_job(session: Session, training: Training) -> Job:
    """The job of the step that was asked for last: those before it are done."""
    return session.scalars(
        sa.select(Job)
        .join(TrainingStep, TrainingStep.job_id == Job.id)
        .where(TrainingStep.training_id == training.id)
        .order_by(TrainingStep.position.desc())
        .limit(1)
    ).one()
