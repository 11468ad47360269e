"""Trainings: what can be started, how the steps follow each other, and what is told of them."""

import math
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core.dataset_choice import LabelSource
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotAllowed, NotFound
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import JobState
from crowdmask.core.training import TrainingSettings
from crowdmask.models import (
    Job,
    JobKind,
    ReferenceMask,
    ReferenceOrigin,
    TrainingScore,
    TrainingStage,
)
from crowdmask.trainings import queries, service
from crowdmask.trainings.schemas import TrainingAnswer, TrainingState
from tests import factories
from tests.api.server import AppServer
from tests.api.trainings.place import FLAT, FULL, QUICK, Place, scored


def _states(training: TrainingAnswer) -> list[str]:
    return [step.state.value for step in training.steps]


def test_each_step_is_a_job_that_the_step_before_it_asks_for(place: Place) -> None:
    training_id = place.start(place.dataset(folds=2))
    told = place.told(training_id)
    assert [(step.stage, step.fold) for step in told.steps] == [
        (TrainingStage.PLAN, None),
        (TrainingStage.TRAIN, 0),
        (TrainingStage.TRAIN, 1),
        (TrainingStage.PREDICT, None),
    ]
    assert (told.state, told.name) == (TrainingState.QUEUED, "Dataset501_Test 2d")
    assert place.jobs() == [(JobKind.TRAIN, JobState.QUEUED)]
    place.work()
    assert _states(place.told(training_id)) == ["done", "queued", "waiting", "waiting"]
    for _ in range(3):
        place.work()
    told = place.told(training_id)
    assert (told.state, told.progress) == (TrainingState.DONE, 1.0)
    assert place.jobs() == [(JobKind.TRAIN, JobState.DONE)] * 4


def test_several_configurations_are_trained_one_after_the_other_and_predict_together(place: Place) -> None:
    settings = TrainingSettings((FLAT, FULL), epochs=2, small=True)
    told = place.told(place.start(place.dataset(folds=2), settings))
    assert [(step.stage.value, step.configuration, step.fold) for step in told.steps] == [
        ("plan", None, None),
        *((stage, FLAT, fold) for stage, fold in (("train", 0), ("train", 1), ("predict", None))),
        *((stage, FULL, fold) for stage, fold in (("train", 0), ("train", 1), ("predict", None))),
        ("ensemble", None, None),
    ]
    assert told.name == "Dataset501_Test 2d + 3d_fullres"
    untested = place.told(place.start(place.dataset(folds=1, tested=False), settings))
    assert [step.configuration for step in untested.steps] == [None, FLAT, FULL]


def test_a_step_whose_job_runs_twice_asks_for_one_next_step(place: Place) -> None:
    place.start(place.dataset())
    step_id = place.work()
    with place.database.write() as session:
        service.record_step(session, step_id=step_id)
    assert len(place.jobs()) == 2


def test_only_the_folds_that_were_asked_for_are_trained_and_without_a_test_set_nothing_is_predicted(
    place: Place,
) -> None:
    settings = TrainingSettings(folds=(2, 0))
    told = place.told(place.start(place.dataset(folds=3, tested=False), settings))
    assert [step.fold for step in told.steps] == [None, 0, 2]
    with place.database.read() as session:
        step_id = session.scalars(sa.select(Job)).one().payload["step_id"]
        request = queries.step_request(session, step_id=UUID(step_id))
    assert (request.folds, request.stage, request.settings) == ((0, 2), TrainingStage.PLAN, settings)
    assert request.dataset.test_cases == ()


def test_a_dataset_without_folds_gets_nnunets_own_five_if_it_has_scans_for_them(place: Place) -> None:
    told = place.told(place.start(place.dataset(folds=0, training=5)))
    assert [step.fold for step in told.steps] == [None, 0, 1, 2, 3, 4, None]
    with pytest.raises(InvalidInput, match="4 training scans") as refused:
        place.start(place.dataset(folds=0, training=4))
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_what_cannot_be_trained_is_refused_before_anything_is_asked_for(place: Place) -> None:
    with pytest.raises(InvalidInput, match="no fold 2: it has 2"):
        place.start(place.dataset(folds=2), TrainingSettings(folds=(2,)))
    with pytest.raises(Conflict) as refused:
        place.start(place.dataset(written=False))
    assert refused.value.code is ErrorCode.NOT_OPEN
    assert place.jobs() == []


def test_who_may_not_train_starts_nothing(place: Place) -> None:
    export_id = place.dataset()
    with place.database.write() as session:
        stranger = factories.add_account(session, name="Stranger")
        annotator = factories.add_account(session, name="Annotator")
        factories.add_member(session, place.project, annotator)
    with pytest.raises(NotFound):
        place.start(export_id, actor=Actor(stranger.id))
    with pytest.raises(NotAllowed):
        place.start(export_id, actor=Actor(annotator.id))


def test_the_two_datasets_of_a_pair_are_started_with_the_same_settings(place: Place) -> None:
    pair_id = new_id()
    crowd = place.dataset(pair_id=pair_id)
    reference = place.dataset(pair_id=pair_id, source=LabelSource.REFERENCE)
    with place.database.write() as session:
        pair = service.start_pair(
            session, place.researcher, export_id=reference, other_id=crowd, settings=QUICK
        )
        assert [training.export_id for training in pair] == [reference, crowd]
        assert pair[0].settings == pair[1].settings == QUICK.to_json()


def test_a_pair_differs_in_labels_or_in_scans_never_in_both(place: Place) -> None:
    pair_id = new_id()
    crowd = place.dataset(pair_id=pair_id)
    reference = place.dataset(pair_id=pair_id, source=LabelSource.REFERENCE)
    complete = place.dataset(pair_id=pair_id, training=3)
    place.dataset(pair_id=pair_id, training=3, written=False)
    other = place.dataset(pair_id=new_id(), source=LabelSource.REFERENCE)
    with place.database.read() as session:
        found = queries.dataset_pairs(session, place.researcher, project_id=place.project.id)
    assert [(pair.export_id, pair.other_id, pair.differs.value) for pair in found] == [
        (crowd, reference, "labels"),
        (crowd, complete, "volumes"),
    ]
    for one, second in ((reference, complete), (crowd, other), (crowd, crowd), (other, other)):
        with (
            pytest.raises(InvalidInput, match="no comparison pair") as refused,
            place.database.write() as session,
        ):
            service.start_pair(session, place.researcher, export_id=one, other_id=second, settings=QUICK)
        assert refused.value.code is ErrorCode.OPTION_INVALID
    assert place.jobs() == []


def test_a_training_that_is_cancelled_or_failed_is_resumed_where_it_was(place: Place) -> None:
    training_id = place.start(place.dataset())
    place.work()

    def change(verb: Any) -> TrainingAnswer:
        with place.database.write() as session:
            verb(session, place.researcher, training_id=training_id)
        return place.told(training_id)

    with pytest.raises(Conflict) as refused:
        change(service.resume_training)
    assert refused.value.code is ErrorCode.TRANSITION_INVALID
    assert change(service.cancel_training).state is TrainingState.CANCELLED
    assert change(service.resume_training).state is TrainingState.QUEUED
    place.fail()
    told = place.told(training_id)
    assert (told.state, told.error) == (TrainingState.FAILED, "It broke.")
    assert _states(told)[:2] == ["done", "failed"]
    with pytest.raises(Conflict):
        change(service.cancel_training)
    assert change(service.resume_training).state is TrainingState.QUEUED
    for _ in range(3):
        place.work()
    with pytest.raises(Conflict):
        change(service.resume_training)


def test_what_a_step_printed_and_its_epochs_are_told(place: Place) -> None:
    training_id = place.start(place.dataset())
    place.work()
    step_id = place.work()
    epoch = {"number": 0, "train_loss": 1.5, "val_loss": None, "pseudo_dice": [0.5, None], "seconds": 2.0}
    with place.database.write() as session:
        service.record_progress(session, step_id=step_id, log="Epoch 0\n", epochs=[epoch])
    with place.database.read() as session:
        told = queries.training_details(session, place.researcher, training_id=training_id)
    assert told.labels == ["anterior", "posterior"]
    assert told.steps[1].log == "Epoch 0\n"
    assert [one.model_dump() for one in told.steps[1].epochs] == [epoch]
    assert told.steps[0].epochs == []


def test_scores_of_the_test_set_are_kept_once_and_undefined_ones_are_null(place: Place) -> None:
    training_id = place.start(place.dataset())
    for _ in range(2):
        with place.database.write() as session:
            service.record_scores(
                session,
                training_id=training_id,
                configuration=FLAT,
                scored=scored(place.test_volume, [0.5, 0]),
            )
    with place.database.read() as session:
        first, second = session.scalars(sa.select(TrainingScore).order_by(TrainingScore.label_index))
    assert (first.volume_dice, first.slices_predicted, first.volume_id) == (1.0, 1, place.test_volume.id)
    assert math.isclose(first.predicted_ml or 0, 0.02)
    assert (second.volume_dice, second.hd95_mm, second.predicted_ml) == (None, None, 0.0)
    assert place.told(training_id).scored == 2


def test_each_configuration_and_the_ensemble_have_scores_and_the_ensembles_are_the_trainings(
    place: Place,
) -> None:
    training_id = place.start(place.dataset(), TrainingSettings((FULL, FLAT)))
    with place.database.write() as session:
        session.add(
            ReferenceMask(
                volume_id=place.test_volume.id, source_sha256="ab" * 32, origin=ReferenceOrigin.EXPERT
            )
        )
    for configuration in (FLAT, FULL, None):
        assert place.told(training_id).scored == 0
        with place.database.write() as session:
            rows = [
                replace(one, prediction_sha256=configuration or "ensemble")
                for one in scored(place.test_volume, [0.5, 0])
            ]
            service.record_scores(session, training_id=training_id, configuration=configuration, scored=rows)
    assert place.told(training_id).scored == 2
    key = f"training:{training_id}"
    with place.database.read() as session:
        told = queries.training_details(session, place.researcher, training_id=training_id)
    assert [(one.configuration, one.key) for one in told.results] == [
        (FULL, f"{key}:3d_fullres"), (FLAT, f"{key}:2d"), (None, key),
    ]  # fmt: skip
    assert told.origins == [ReferenceOrigin.EXPERT]
    first, second = told.results[2].labels
    assert (first.label_name, first.mean, first.ci, first.n, first.undefined) == ("label 1", 1.0, 0.0, 1, 0)
    assert (second.mean, second.ci, second.n, second.undefined) == (None, None, 0, 1)


def test_a_researcher_starts_watches_stops_and_resumes_through_the_api(server: AppServer) -> None:
    with server.database.write() as session:
        person = factories.add_account(session)
        project = factories.add_project(session, person)
        volume = factories.add_volume(session, project)
        pair_id = new_id()
        export = factories.add_export(session, project, test=(volume,), pair_id=pair_id)
        other = factories.add_export(
            session, project, version=2, test=(volume,), pair_id=pair_id, source=LabelSource.REFERENCE
        )
    page = server.sign_in_by_cookie(person)
    form = {"name": "First", "settings": {"configurations": ["2d"], "folds": [1], "epochs": 4, "small": True}}
    made = page.post(f"/api/v1/exports/{export.id}/trainings", json=form)
    assert made.status_code == 201, made.text
    training = made.json()
    assert (training["name"], training["state"], training["scored"]) == ("First", "queued", 0)
    assert training["settings"] == {
        "configurations": ["2d"], "folds": [1], "epochs": 4, "iterations": 250, "device": "auto", "mirroring": False,
        "small": True,
    }  # fmt: skip
    for wrong in ({"epochs": 0}, {"configurations": []}, {"configurations": ["2d", "2d"]}):
        refused = page.post(f"/api/v1/exports/{export.id}/trainings", json={"settings": wrong})
        assert refused.status_code == 422
    address = f"/api/v1/trainings/{training['id']}"
    assert page.post(f"{address}/cancel").json()["state"] == "cancelled"
    assert page.post(f"{address}/resume").json()["state"] == "queued"
    assert page.get(address).json()["steps"][0]["log"] == ""
    (paired,) = page.get(f"/api/v1/projects/{project.id}/training-pairs").json()
    assert paired == {"export_id": str(export.id), "other_id": str(other.id), "differs": "labels"}
    pair = page.post(f"/api/v1/exports/{export.id}/training-pair", json={"other": str(other.id)})
    assert [one["dataset_version"] for one in pair.json()] == [1, 2]
    listed = page.get(f"/api/v1/projects/{project.id}/trainings").json()
    assert [one["dataset_version"] for one in listed] == [2, 1, 1]
    described = page.get(f"/api/v1/projects/{project.id}/jobs").json()["items"]
    assert "Training: First" in {job["subject"] for job in described}
