"""Trainings through the Python client."""

from dataclasses import replace

import pytest

from crowdmask.accounts.actor import Actor
from crowdmask.client import Client, TrainingView
from crowdmask.core.dataset_choice import LabelSource
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode
from crowdmask.core.ids import new_id
from crowdmask.core.training import TrainingSettings
from crowdmask.trainings import service
from tests import factories
from tests.api.progress.live import serving
from tests.api.server import AppServer
from tests.api.trainings.place import FLAT, QUICK, Place, scored


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_python_client_trains_a_pair_and_follows_it_to_its_scores(server: AppServer) -> None:
    with server.database.write() as session:
        person = factories.add_account(session)
        project = factories.add_project(session, person)
        volume = factories.add_volume(session, project)
        pair_id = new_id()
    place = Place(server.database, Actor(person.id), project, volume)
    crowd = place.dataset(pair_id=pair_id)
    place.dataset(pair_id=pair_id, source=LabelSource.REFERENCE)
    with serving(server) as live, Client(live.address, server.token(person)) as client:
        (pair,) = client.dataset_pairs(project.id)
        assert (pair.export_id, pair.differs) == (crowd, "labels")
        settings = replace(QUICK, folds=(0,))
        first, second = client.start_training_pair(pair.export_id, pair.other_id, settings)
        assert client.cancel_training(second.id).state == "cancelled"
        with pytest.raises(Conflict) as stopped:
            client.wait_for_training(second.id)
        assert stopped.value.code is ErrorCode.JOB_CANCELLED
        states = []

        def work(training: TrainingView) -> None:
            states.append(training.state)
            place.work()

        with place.database.write() as session:
            service.record_scores(
                session,
                training_id=first.id,
                configuration=FLAT,
                scored=scored(place.test_volume, [0.5, 0]),
            )
        done = client.wait_for_training(first.id, watch=work, every_s=0)
        assert states == ["queued"] * 3
        assert [(step.stage, step.configuration, step.fold) for step in done.training.steps] == [
            ("plan", None, None), ("train", FLAT, 0), ("predict", FLAT, None),
        ]  # fmt: skip
        (result,) = done.results
        assert (result.key, result.labels[0].mean, result.labels[1].mean) == (
            f"training:{first.id}",
            1.0,
            None,
        )
        assert [one.key for one in client.score_sets(project.id)] == ["masks", result.key]

        assert client.resume_training(second.id).settings == settings
        place.fail()
        with pytest.raises(Corrupt, match="It broke") as failed:
            client.wait_for_training(second.id)
        assert failed.value.code is ErrorCode.TRAINING_FAILED
        third = client.start_training(crowd, name="Third")
        assert (third.name, third.settings) == ("Third", TrainingSettings())
        assert client.trainings(project.id)[0].name == "Third"
