"""A project with masks and references as small files, and the real worker that compares them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from crowdmask.core import nifti
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState
from crowdmask.core.training import TrainingSettings
from crowdmask.core.volume import Grid
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Account,
    Evaluation,
    Job,
    JobKind,
    Project,
    Queue,
    ReferenceMask,
    ReferenceOrigin,
    Segmentation,
    Task,
    Training,
    TrainingScore,
    TrainingStage,
    TrainingStep,
    Volume,
)
from crowdmask_worker.runner import Runner
from tests import factories
from tests.api.server import AppServer

GRID = Grid(shape=(4, 10, 12), affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))
BARE_AFFINE_CODES = (252, 256)  # bytes of the header: qform and sform codes

Masks = NDArray[np.uint8]


def blob(*, z: slice, x: int, value: int = 1) -> Masks:
    voxels = np.zeros(GRID.shape, np.uint8)
    voxels[z, 2:6, x : x + 4] = value
    return voxels


@dataclass
class Place:
    server: AppServer
    folder: Path
    people: dict[str, Account]
    project: Project

    def store(self, voxels: Masks, *, bare: bool = False) -> str:
        nifti.write_volume(self.folder / "grid.nii.gz", np.zeros(GRID.shape, np.int16), GRID)
        nifti.write_mask(
            self.folder / "made.nii", voxels, nifti.read_source_grid(self.folder / "grid.nii.gz")
        )
        content = bytearray((self.folder / "made.nii").read_bytes())
        if bare:
            content[slice(*BARE_AFFINE_CODES)] = bytes(4)
        return self.server.storage.put_bytes(bytes(content))

    def volume(self, name: str, reference: Masks | None, *, bare: bool = False) -> Volume:
        with self.server.database.write() as session:
            volume = factories.add_volume(session, self.project, name=name, shape=GRID.shape)
            volume.affine_assumed = bare
            if reference is not None:
                session.add(
                    ReferenceMask(
                        volume_id=volume.id,
                        source_sha256=self.store(reference, bare=bare),
                        origin=ReferenceOrigin.EXPERT,
                        affine_assumed=bare,
                    )
                )
            return volume

    def mask(
        self, volume: Volume, voxels: Masks, *, label_index: int = 1, bare: bool = False, by: str = "ann"
    ) -> UUID:
        with self.server.database.write() as session:
            label = factories.label_of(session, self.project, label_index)
            task = session.scalar(
                sa.select(Task).where(Task.volume_id == volume.id, Task.label_id == label.id)
            )
            assignment = factories.add_assignment(
                session,
                task
                or factories.add_task(
                    session, session.get_one(Volume, volume.id), label_index=label_index, overlap=2
                ),
                self.people[by],
                slot=0 if task is None else 1,
                state=AssignmentState.SUBMITTED,
            )
            annotation = factories.add_annotation(
                session, assignment, state=AnnotationState.SUBMITTED, shape=GRID.shape
            )
            job = factories.add_job(session, kind=JobKind.SEGMENT, queue=Queue.GPU)
            made = Segmentation(
                annotation_id=annotation.id,
                revision=0,
                job_id=job.id,
                model="litemedsam",
                mask_sha256=self.store(voxels, bare=bare),
                provenance={"slices": []},
                seconds=1.0,
            )
            session.add(made)
            session.flush()
            return made.id

    def scored(
        self, volume: Volume, dice: float | None, *, label_index: int = 1, by: str = "ann", ml: float = 1.0
    ) -> None:
        """A mask that was compared before, with this Dice of the volume; the reference has 2 ml."""
        segmentation_id = self.mask(volume, blob(z=slice(0, 1), x=3), label_index=label_index, by=by)
        with self.server.database.write() as session:
            session.add(
                Evaluation(
                    segmentation_id=segmentation_id,
                    mask_sha256=session.get_one(Segmentation, segmentation_id).mask_sha256,
                    reference_id=session.scalars(
                        sa.select(ReferenceMask.id).where(ReferenceMask.volume_id == volume.id)
                    ).one(),
                    volume_dice=dice,
                    slices_predicted=1,
                    slices_reference=1,
                    predicted_ml=ml,
                    reference_ml=2.0,
                )
            )

    def training(self, name: str, scores: dict[UUID, dict[str, float | None]]) -> UUID:
        """A network with a Dice per volume and label of its test set."""
        admin = self.people["admin"]
        with self.server.database.write() as session:
            volumes = [session.get_one(Volume, volume_id) for volume_id in scores]
            export = factories.add_export(session, self.project, training=0, folds=0, test=volumes)
            training = Training(
                project_id=self.project.id,
                export_id=export.id,
                name=name,
                settings=TrainingSettings().to_json(),
                created_by=admin.id,
            )
            session.add(training)
            session.flush()
            session.add(TrainingStep(training_id=training.id, position=0, stage=TrainingStage.PLAN))
            for volume_id, labels in scores.items():
                session.add_all(
                    TrainingScore(
                        training_id=training.id,
                        configuration=TrainingSettings().result,
                        case=f"case_{volume_id}",
                        volume_id=volume_id,
                        label_index=number,
                        label_name=label,
                        volume_dice=dice,
                        slices_predicted=1,
                        slices_reference=1,
                    )
                    for number, (label, dice) in enumerate(labels.items(), start=1)
                )
            return training.id

    def ask(self, *, by: str = "admin") -> Any:
        return self.server.sign_in(self.people[by]).post(f"/api/v1/projects/{self.project.id}/evaluations")

    def get(self, path: str, *, by: str = "admin", **query: str) -> Any:
        """What the address below the project's evaluations answers."""
        address = f"/api/v1/projects/{self.project.id}/evaluations/{path}"
        return self.server.sign_in(self.people[by]).get(address, params=query)

    def table(self, *, by: str = "admin") -> Any:
        return self.server.sign_in(self.people[by]).get(f"/api/v1/projects/{self.project.id}/evaluations")

    def work(self) -> None:
        Runner(
            database=self.server.database,
            storage=LocalStorage(self.server.settings.blobs_dir),
            settings=self.server.settings,
            owner="test",
        ).drain([Queue.CPU])

    def job_states(self) -> list[JobState]:
        with self.server.database.read() as session:
            return list(session.scalars(sa.select(Job.state).where(Job.kind == JobKind.EVALUATE)))
