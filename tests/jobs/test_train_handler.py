"""Every step of a training with several configurations through the job table; nnU-Net's commands are not run."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet import DatasetDescription, write_case, write_dataset_json
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.core.volume import Grid
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Queue, TrainingScore
from crowdmask.trainings import service
from crowdmask.trainings.queries import training_details
from crowdmask.trainings.schemas import TrainingState
from crowdmask_ml.nnunet import runs
from tests import factories
from tests.fake_nnunet import FakeNnunet
from tests.jobs.workers import runner

LABELS = ("anterior", "posterior")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_configuration_and_their_ensemble_are_trained_predicted_and_scored(
    database: Database,
    storage: LocalStorage,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeNnunet()
    monkeypatch.setattr(runs, "run_command", fake)
    with database.write() as session:
        person = factories.add_account(session)
        project, researcher = factories.add_project(session, person), Actor(person.id)
        volume = factories.add_volume(session, project)
        export = factories.add_export(session, project, training=2, folds=1, test=(volume,), labels=LABELS)
        _write_folder(settings.exports_dir / str(export.id) / "Dataset501_Test", tmp_path)
        wanted = TrainingSettings((Configuration.FLAT, Configuration.FULLRES), epochs=1, small=True)
        training_id = service.start_training(session, researcher, export_id=export.id, settings=wanted).id
    assert runner(database, storage, settings).drain([Queue.TRAIN]) == 6

    assert [command.split()[0].removeprefix("nnUNetv2_") for command in fake.commands] == [
        "plan_and_preprocess", "train", "predict", "train", "predict", "ensemble",
    ]  # fmt: skip
    with database.read() as session:
        told = training_details(session, researcher, training_id=training_id)
        rows = session.scalars(sa.select(TrainingScore)).all()
    assert told.training.state is TrainingState.DONE
    assert [step.log for step in told.steps] == [f"{command.split()[0]}" for command in fake.commands]
    assert [one.configuration for one in told.results] == [*wanted.configurations, None]
    assert [one.labels[0].mean for one in told.results] == [1.0] * 3
    assert len(rows) == 3 * len(LABELS)
    assert all(storage.path(row.prediction_sha256 or "").is_file() for row in rows)
    assert not list((settings.trainings_dir / str(training_id)).rglob("*.np*"))


def _write_folder(path: Path, work: Path) -> None:
    """A dataset with two training cases and a test case, whose references are what the fake network predicts."""
    folder = DatasetFolder(path)
    grid = Grid((4, 6, 8), np.diag([-1.0, -1.0, 2.0, 1.0]))
    voxels = np.zeros(grid.shape, np.int16)
    voxels[1:3, 2:4, 3:6] = 100
    nifti.write_volume(work / "image.nii.gz", voxels, grid)
    cases = {"case_0": Split.TRAINING, "case_1": Split.TRAINING, "test_0": Split.TEST}
    for case, split in cases.items():
        write_case(folder, case, image=work / "image.nii.gz", mask=(voxels > 0).astype(np.uint8), split=split)
    write_dataset_json(folder, DatasetDescription(("MR",), LabelSet.from_names(LABELS), 2))
