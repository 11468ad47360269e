"""The whole way: real scans and references, boxes of simulated people, masks, two datasets with the same scans and other
labels, nnU-Net trained on both by its own commands in a real worker that is killed on the way, predictions, scores, and
the test that compares them.

The networks are tiny and see next to nothing: this shows that the parts fit together, never that anything was learned.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.annotations import service as annotations
from crowdmask.assignments import service as assignments
from crowdmask.core import nifti
from crowdmask.core.dataset_choice import DatasetChoice, Twin
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import JobState
from crowdmask.core.simulate import Annotator, simulate
from crowdmask.core.training import Configuration, Device, TrainingSettings
from crowdmask.demo import decided
from crowdmask.evaluations.set_queries import score_set
from crowdmask.evaluations.summary import comparison_answer
from crowdmask.exports import service as exports
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Job,
    Label,
    Queue,
    ReferenceMask,
    ReferenceOrigin,
    Task,
    TrainingScore,
    Volume,
)
from crowdmask.trainings import service as trainings
from crowdmask.trainings.queries import training_details
from crowdmask.trainings.schemas import TrainingDetails, TrainingState
from crowdmask.volumes import service as volumes
from crowdmask.volumes.intake import receive, receive_reference
from crowdmask_worker.runner import Runner
from tests import factories
from tests.conftest import missing
from tests.jobs.workers import reconciler, worker
from tests.waiting import eventually

LABELS = ("anterior", "posterior")
TRAINING_SCANS, TEST_SCANS = 3, 2
SETTINGS = TrainingSettings(
    (Configuration.FLAT,), (0,), epochs=4, iterations=100, device=Device.CPU, mirroring=False, small=True
)


@dataclass(frozen=True)
class Place:
    """A project with ingested scans that have references, and a worker's inside for everything but trainings."""

    database: Database
    storage: LocalStorage
    settings: Settings
    runner: Runner
    admin: Actor
    project_id: UUID

    def drain(self) -> None:
        self.runner.drain([Queue.CPU, Queue.GPU])
        with self.database.read() as session:
            states = set(session.scalars(sa.select(Job.state).where(Job.queue != Queue.TRAIN)))
        assert states == {JobState.DONE}

    def details(self, training_id: UUID) -> TrainingDetails:
        with self.database.read() as session:
            return training_details(session, self.admin, training_id=training_id)

    def state(self, training_id: UUID) -> TrainingState:
        told = self.details(training_id).training
        assert told.state is not TrainingState.FAILED, told.error
        return told.state


@pytest.fixture
def place(database: Database, storage: LocalStorage, settings: Settings, sample_data: Path) -> Place:
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")
    folder = sample_data / "nnunet" / "Dataset904_HippoMini"
    if not folder.is_dir():
        missing("the sample data nnunet/Dataset904_HippoMini")
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=LABELS)
    runner = Runner(database=database, storage=storage, settings=settings, owner="test")
    made = Place(database, storage, settings, runner, Actor(admin.id), project.id)
    for split, number in (("Tr", TRAINING_SCANS), ("Ts", TEST_SCANS)):
        # The smallest are as good as any here.
        labels = sorted((folder / f"labels{split}").iterdir(), key=lambda path: path.stat().st_size)
        for label in labels[:number]:
            _import(made, folder / f"images{split}", label, name=f"{split} {label.name[:-7]}")
    made.drain()
    return made


def _import(place: Place, images: Path, label: Path, *, name: str) -> None:
    image = images / label.name.replace(".nii.gz", "_0000.nii.gz")
    with place.database.write() as session:
        received = receive(image, place.storage)
        volume = volumes.add_volume(
            session, place.admin, project_id=place.project_id, name=name, received=received
        )
        reference = receive_reference(label, place.storage, volume=volume)
        volumes.add_reference(
            session, place.admin, volume_id=volume.id, received=reference, origin=ReferenceOrigin.EXPERT
        )


def _box_like_a_crowd(place: Place) -> None:
    """Every label of every training scan is boxed, with errors, and submitted; the worker makes the masks."""
    with place.database.write() as session:
        chosen = session.scalars(sa.select(Volume).where(Volume.name.startswith("Tr "))).all()
        assignments.create_tasks(
            session,
            place.admin,
            project_id=place.project_id,
            volume_ids=[volume.id for volume in chosen],
            label_indices=[1, 2],
        )
    while True:
        with place.database.write() as session:
            claimed = assignments.claim_next(session, place.admin, project_id=place.project_id, lease_s=3600)
            if claimed is None:
                break
            annotation = annotations.open_annotation(session, place.admin, assignment_id=claimed.id)
            task = session.get_one(Task, claimed.task_id)
            volume = session.get_one(Volume, task.volume_id)
            index = session.get_one(Label, task.label_id).index
            assert volume.pack_sha256 is not None
            given = session.scalars(sa.select(ReferenceMask).filter_by(volume_id=volume.id)).one()
            reference = nifti.read_label_map(place.storage.path(given.source_sha256))
            drawn = simulate(
                reference.voxels == index,
                annotator=Annotator.CROWD,
                grid=reference.grid,
                rng=np.random.default_rng(index),
                one_box=True,
            )
            saved = annotations.save(
                session,
                place.admin,
                annotation_id=annotation.id,
                revision=0,
                idempotency_key=new_id().hex,
                volume_sha256=volume.pack_sha256,
                operations=decided(drawn),
            )
            annotations.submit(session, place.admin, annotation_id=annotation.id, revision=saved.revision)
    place.drain()


def _pair_of_datasets(place: Place) -> tuple[UUID, UUID]:
    """The same scans, test scans and folds, once with the crowd's labels and once with the references'."""
    with place.database.write() as session:
        test = session.scalars(sa.select(Volume.id).where(Volume.name.startswith("Ts "))).all()
        choice = DatasetChoice(test=tuple(str(volume_id) for volume_id in test), folds=2)
        crowd = exports.create_export(session, place.admin, project_id=place.project_id, choice=choice)
        reference = exports.create_twin(session, place.admin, export_id=crowd.id, twin=Twin.REFERENCE)
    place.drain()
    return crowd.id, reference.id


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_both_sides_of_a_comparison_are_trained_through_a_kill_and_compared_on_the_same_test_scans(
    place: Place,
) -> None:
    _box_like_a_crowd(place)
    pair = _pair_of_datasets(place)
    with place.database.write() as session:
        crowd, reference = (
            training.id
            for training in trainings.start_pair(
                session, place.admin, export_id=pair[0], other_id=pair[1], settings=SETTINGS
            )
        )
    with reconciler(place.database, place.settings), worker(place.settings, "train") as trainer:
        fold = place.settings.trainings_dir / str(crowd) / "nnUNet_results"
        eventually(
            lambda: any(fold.rglob("checkpoint_latest.pth")) or place.state(crowd) is TrainingState.DONE,
            "a checkpoint of the first training",
        )
        trainer.kill()
        assert place.state(crowd) is TrainingState.RUNNING, "it was killed too late to show anything"
        trainer.start()
        for training_id in (crowd, reference):
            eventually(
                lambda training_id=training_id: place.state(training_id) is TrainingState.DONE,
                "the training to be done",
            )

    for training_id in (crowd, reference):
        plan, train, predict = place.details(training_id).steps
        assert [epoch.number for epoch in train.epochs] == list(range(SETTINGS.epochs))
        assert all(len(epoch.pseudo_dice) == len(LABELS) for epoch in train.epochs)
        assert all(step.log for step in (plan, train, predict))
    killed = (place.settings.trainings_dir / str(crowd) / "logs" / "train-2d-0.log").read_text()
    assert killed.count("Desired fold for training: 0") == 3  # begun, gone on with, validated
    assert killed.count(" Epoch 0\n") == 1

    with place.database.read() as session:
        rows = session.scalars(sa.select(TrainingScore)).all()
        compared = comparison_answer(
            *(
                score_set(
                    session,
                    place.admin,
                    project_id=place.project_id,
                    key=f"training:{training_id}",
                    with_slices=True,
                )
                for training_id in (crowd, reference)
            )
        )
    assert len(rows) == 2 * TEST_SCANS * len(LABELS)
    assert all(place.storage.path(row.prediction_sha256 or "").is_file() for row in rows)
    assert all((row.reference_ml or 0) > 0 for row in rows)
    dice = [row for row in compared.rows if row.score == "volume_dice"]
    assert {row.label_name for row in dice} == {*LABELS, None}
    assert all(row.pairs == TEST_SCANS for row in dice)
    # Networks this small may predict nothing; where the two differ in no scan, there is nothing to test.
    by_training = {
        training_id: {
            (row.label_name, row.case): row.volume_dice for row in rows if row.training_id == training_id
        }
        for training_id in (crowd, reference)
    }
    for label in LABELS:
        (compared_label,) = (row for row in dice if row.label_name == label)
        differs = any(
            score != by_training[reference][key]
            for key, score in by_training[crowd].items()
            if key[0] == label
        )
        assert (compared_label.p is not None) == differs
