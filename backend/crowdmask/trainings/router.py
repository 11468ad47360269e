"""Trainings of nnU-Net on frozen datasets."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from crowdmask.accounts.deps import CurrentActor
from crowdmask.segmentations import files
from crowdmask.trainings import predictions, queries, service
from crowdmask.trainings.schemas import (
    DatasetPair,
    PredictionAnswer,
    TrainingAnswer,
    TrainingDetails,
    TrainingForm,
    TrainingPairForm,
)
from crowdmask.web.binary import BYTES, IfNoneMatch, if_changed, nifti_file
from crowdmask.web.pages import Page, Paging
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server

router = APIRouter(tags=["trainings"])


@router.get("/projects/{project_id}/trainings", **needs(Permission.EXPORTS))
def list_trainings(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[TrainingAnswer]:
    """The trainings of a project, the newest first."""
    return queries.training_answers(session, actor, project_id=project_id)


@router.get("/projects/{project_id}/training-pairs", **needs(Permission.EXPORTS))
def list_training_pairs(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[DatasetPair]:
    """The comparison pairs among the project's written datasets."""
    return queries.dataset_pairs(session, actor, project_id=project_id)


@router.post("/exports/{export_id}/trainings", status_code=201, **needs(Permission.EXPORTS))
def start_training(
    export_id: UUID, form: TrainingForm, session: WriteSession, actor: CurrentActor
) -> TrainingAnswer:
    """Train nnU-Net on a written dataset, by jobs, one step after the other."""
    training = service.start_training(
        session, actor, export_id=export_id, settings=form.settings.settings(), name=form.name
    )
    return queries.training_answer(session, actor, training_id=training.id)


@router.post("/exports/{export_id}/training-pair", status_code=201, **needs(Permission.EXPORTS))
def start_training_pair(
    export_id: UUID, form: TrainingPairForm, session: WriteSession, actor: CurrentActor
) -> list[TrainingAnswer]:
    """Train two datasets that were made to be compared, with the same settings."""
    pair = service.start_pair(
        session, actor, export_id=export_id, other_id=form.other, settings=form.settings.settings()
    )
    return [queries.training_answer(session, actor, training_id=training.id) for training in pair]


@router.get("/trainings/{training_id}", **needs(Permission.EXPORTS))
def get_training(training_id: UUID, session: ReadSession, actor: CurrentActor) -> TrainingDetails:
    """One training, with the epochs and the end of the log of each step."""
    return queries.training_details(session, actor, training_id=training_id)


@router.post("/trainings/{training_id}/cancel", **needs(Permission.EXPORTS))
def cancel_training(training_id: UUID, session: WriteSession, actor: CurrentActor) -> TrainingAnswer:
    """Stop a training; it can be resumed."""
    service.cancel_training(session, actor, training_id=training_id)
    return queries.training_answer(session, actor, training_id=training_id)


@router.post("/trainings/{training_id}/resume", **needs(Permission.EXPORTS))
def resume_training(training_id: UUID, session: WriteSession, actor: CurrentActor) -> TrainingAnswer:
    """Go on with a training that failed or was cancelled, from its last checkpoint."""
    service.resume_training(session, actor, training_id=training_id)
    return queries.training_answer(session, actor, training_id=training_id)


@router.get("/projects/{project_id}/predictions", **needs(Permission.SEES_ALL))
def list_predictions(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    paging: Paging,
    volume_id: Annotated[UUID | None, Query(description="Of this volume.")] = None,
) -> Page[PredictionAnswer]:
    """What trained networks made of their test sets: the newest training first, the lowest Dice first."""
    return predictions.prediction_page(
        session, actor, project_id=project_id, paging=paging, volume_id=volume_id
    )


@router.get("/predictions/{prediction_id}/file", response_class=FileResponse, **needs(Permission.SEES_ALL))
def download_prediction(
    prediction_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> FileResponse:
    """All labels that a network predicted in the volume, as NIfTI, in the numbers of its dataset."""
    found = predictions.prediction_file(session, actor, prediction_id)
    return nifti_file(files.checked_path(server.storage, found), found.name)


@router.get("/predictions/{prediction_id}/bits", **BYTES, **needs(Permission.SEES_ALL))
def get_prediction_bits(
    prediction_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One label that a network predicted, on the canonical grid, as the bits of a mask."""
    found = predictions.prediction_file(session, actor, prediction_id)
    return if_changed(found.version, if_none_match, lambda: files.canonical_bits(server.storage, found))
