"""Trainings of a database from before ensembles keep their steps and scores, and know whose they are."""

import json

import pytest
import sqlalchemy as sa

from crowdmask.core.ids import new_id
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.infra import migrate
from crowdmask.infra.db import Database
from crowdmask.models import Training, TrainingScore, TrainingStage, TrainingStep
from crowdmask.trainings.results import settings_of
from tests import factories

SETTINGS = TrainingSettings((Configuration.FLAT,), (0,), epochs=3)
EMPTY = pytest.mark.parametrize(
    "empty_database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


def _fill(database: Database) -> None:
    """A training with three steps and a score, and one with several configurations, in the newest schema."""
    with database.write() as session:
        person = factories.add_account(session)
        project = factories.add_project(session, person)
        volume = factories.add_volume(session, project)
        export = factories.add_export(session, project, test=(volume,), pair_id=new_id())
        for settings in (SETTINGS, TrainingSettings(tuple(Configuration))):
            training = Training(
                project_id=project.id,
                export_id=export.id,
                name=" + ".join(settings.configurations),
                settings=settings.to_json(),
                created_by=person.id,
            )
            session.add(training)
            session.flush()
            session.add_all(
                TrainingStep(
                    training_id=training.id,
                    position=position,
                    stage=stage,
                    configuration=None if stage is TrainingStage.PLAN else Configuration.FLAT,
                    fold=0 if stage is TrainingStage.TRAIN else None,
                )
                for position, stage in enumerate(list(TrainingStage)[:3])
            )
            session.add(
                TrainingScore(
                    training_id=training.id,
                    configuration=settings.result,
                    case="test_0",
                    volume_id=volume.id,
                    label_index=1,
                    label_name="anterior",
                    volume_dice=0.5,
                    slices_predicted=1,
                    slices_reference=1,
                )
            )


@EMPTY
def test_a_training_of_one_configuration_survives_the_way_back_and_forth(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    database = Database(empty_database_url)
    try:
        _fill(database)
        migrate.downgrade(empty_database_url, "0004")
        with database.read() as session:
            before = session.execute(sa.text("select settings, pair_id, export_id from training")).all()
            exports = session.execute(sa.text("select pair_id, id from export")).all()
        # The version before knows a single configuration, and the pair of each training: its dataset's.
        ((settings, *pair),) = before
        told = json.loads(settings) if isinstance(settings, str) else settings
        assert told["configuration"] == "2d"
        assert "configurations" not in told
        assert [tuple(pair)] == [tuple(row) for row in exports]
        migrate.upgrade(empty_database_url)
        with database.read() as session:
            (training,) = session.scalars(sa.select(Training)).all()
            steps = session.scalars(sa.select(TrainingStep).order_by(TrainingStep.position)).all()
            (score,) = session.scalars(sa.select(TrainingScore)).all()
        assert settings_of(training) == SETTINGS
        assert [step.configuration for step in steps] == [None, Configuration.FLAT, Configuration.FLAT]
        assert (score.configuration, score.volume_dice) == (Configuration.FLAT, 0.5)
    finally:
        database.close()
