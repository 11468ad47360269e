"""The job ``train``: one step of a training, done by nnU-Net's own commands."""

import math
import time
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from crowdmask.core import metrics, nifti
from crowdmask.core.errors import Unavailable
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.core.training import Configuration
from crowdmask.core.volume import check_same_grid
from crowdmask.infra.folder_lock import folder_lock
from crowdmask.models import TrainingStage
from crowdmask.trainings import service
from crowdmask.trainings.queries import StepRequest, step_request
from crowdmask.trainings.service import ScoredLabel
from crowdmask_ml.nnunet import runs
from crowdmask_ml.nnunet.command import log_tail
from crowdmask_ml.nnunet.epochs import Epoch
from crowdmask_ml.nnunet.runs import Look, Run
from crowdmask_worker.context import Effect, JobContext

TELL_EVERY_S = 3.0
_MM3_PER_ML = 1000.0

log = structlog.get_logger(__name__)


def handle(context: JobContext) -> Effect:
    """Payload: ``training_id``, ``step_id``. A fold that was begun goes on from its last checkpoint.

    Two attempts at once exclude each other: both would write into the training's folder.
    """
    with context.database.read() as session:
        request = step_request(session, step_id=UUID(context.job.payload["step_id"]))
    run = Run(
        folder=context.settings.trainings_dir / str(request.training_id),
        dataset=context.settings.exports_dir / str(request.export_id) / request.dataset.name,
        settings=request.settings,
        folds=request.folds,
    )
    run.folder.mkdir(parents=True, exist_ok=True)
    watch = _Watch(context, request, run)
    scored: list[ScoredLabel] = []
    with folder_lock(run.folder, "training"):
        folder = _work(request, run, watch.look)
        if folder is not None:
            scored = _score(context, request, folder, DatasetFolder(run.dataset))
        if request.stage is TrainingStage.ENSEMBLE:
            runs.drop_probabilities(run)

    def record(session: Session) -> None:
        watch.tell(session)
        if folder is not None:
            service.record_scores(
                session,
                training_id=request.training_id,
                configuration=request.configuration,
                scored=scored,
            )
        service.record_step(session, step_id=request.step_id)

    return record


def _work(request: StepRequest, run: Run, look: Look) -> Path | None:
    """Do the step; returns the folder of what was predicted, None where nothing was."""
    match request:
        case StepRequest(stage=TrainingStage.PLAN):
            runs.plan(run, look=look)
        case StepRequest(stage=TrainingStage.ENSEMBLE):
            return runs.ensemble(run, look=look)
        case StepRequest(configuration=Configuration() as configuration, fold=int(fold)):
            runs.train(run, configuration, fold, look=look)
        case StepRequest(configuration=Configuration() as configuration):
            return runs.predict(run, configuration, look=look)
    return None


class _Watch:
    """Looks after a command while it runs: is it still wanted, how far is it, what did it print."""

    def __init__(self, context: JobContext, request: StepRequest, run: Run) -> None:
        self._context = context
        self._request = request
        self._run = run
        parts = (request.stage.value, request.configuration, request.fold)
        self._log = run.log(*(part for part in parts if part is not None))
        self._told_at = -math.inf
        self._told_bytes = -1

    def look(self) -> None:
        """Raises what ``JobContext.report`` raises."""
        self._context.report(self._context.progress)
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        printed = self._log.stat().st_size if self._log.is_file() else 0
        if printed == self._told_bytes:
            return
        epochs = self._epochs()
        try:
            with self._context.database.write() as session:
                self.tell(session)
        except (SQLAlchemyError, Unavailable) as error:  # away for a moment; whoever watches waits a little
            log.warning("training_not_told", job=str(self._context.job.id), error=type(error).__name__)
        else:
            self._told_bytes = printed
        self._context.report(len(epochs) / self._run.settings.epochs)

    def tell(self, session: Session) -> None:
        """Write what was printed so far."""
        service.record_progress(
            session,
            step_id=self._request.step_id,
            log=log_tail(self._log),
            epochs=[epoch.to_json() for epoch in self._epochs()],
        )

    def _epochs(self) -> tuple[Epoch, ...]:
        configuration, fold = self._request.configuration, self._request.fold
        return () if configuration is None or fold is None else self._run.epochs(configuration, fold)


def _score(
    context: JobContext, request: StepRequest, predictions: Path, dataset: DatasetFolder
) -> list[ScoredLabel]:
    """Every label of every test case against the reference, which the dataset holds in its own numbers."""
    scored = []
    for test in request.dataset.test_cases:
        path = predictions / dataset.label_path(test.case, split=Split.TEST).name
        predicted = nifti.read_label_map(path)
        reference = nifti.read_label_map(dataset.label_path(test.case, split=Split.TEST))
        check_same_grid(
            predicted.grid, reference.grid, image_name="the prediction", label_name="the reference"
        )
        kept = context.storage.put_file(path)
        for label in request.dataset.labels.labels:
            context.report(context.progress)
            scores = metrics.score(
                predicted.voxels == label.index, reference.voxels == label.index, reference.grid.spacing
            )
            scored.append(
                ScoredLabel(
                    case=test.case,
                    volume_id=test.volume_id,
                    label_index=label.index,
                    label_name=label.name,
                    scores=scores,
                    voxel_ml=math.prod(reference.grid.spacing) / _MM3_PER_ML,
                    prediction_sha256=kept,
                )
            )
    return scored
