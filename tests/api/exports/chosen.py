"""A project whose work is chosen from, for the tests of datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.tracks import BoxSource, document_from_tracks, link
from crowdmask.core.volume import Grid
from crowdmask.exports import queries, service
from crowdmask.exports.builder import build_dataset
from crowdmask.exports.crowd import read_documents
from crowdmask.exports.schemas import ExportPreview
from crowdmask.exports.selection import Selection
from crowdmask.infra.db import Database
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Account,
    Assignment,
    DerivedMask,
    Export,
    Job,
    JobKind,
    Project,
    ReferenceMask,
    ReferenceOrigin,
    Segmentation,
    Task,
    Volume,
)
from crowdmask.segmentations.derived import record_derived
from tests import factories

SHAPE = (6, 10, 12)
GRID = Grid(shape=SHAPE, affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))
BLOCK = (slice(1, 4), slice(2, 7), slice(3, 9))
BOX = Box(3, 2, 9, 7)


@dataclass(frozen=True)
class Place:
    """A project with two labels; its helpers add volumes, references and work of any state."""

    database: Database
    storage: LocalStorage
    folder: Path
    admin: Actor
    project: Project
    people: Sequence[Account]

    def volume(self, name: str, *, reference: bool = False, **stated: str) -> Volume:
        path = self.folder / f"{name}.nii.gz"
        rng = np.random.default_rng(list(name.encode()))
        nifti.write_volume(path, rng.integers(-1000, 400, SHAPE, dtype=np.int16), GRID)
        with self.database.write() as session:
            volume = factories.add_volume(
                session, self.project, name=name, shape=SHAPE, source_sha256=self.storage.put_file(path)
            )
            for key, value in stated.items():
                setattr(volume, key, value)
            if reference:
                labels = np.zeros(SHAPE, np.uint8)
                labels[BLOCK] = 1
                labels[0] = 2
                session.add(
                    ReferenceMask(
                        volume_id=volume.id,
                        source_sha256=self.blob(volume, labels),
                        origin=ReferenceOrigin.EXPERT,
                    )
                )
            return volume

    def blob(self, volume: Volume, voxels: Any) -> str:
        path = self.folder / "mask.nii.gz"
        nifti.write_mask(path, voxels, nifti.read_source_grid(self.storage.path(volume.source_sha256)))
        return self.storage.put_file(path)

    def work(
        self,
        volume: Volume,
        label_index: int,
        *,
        by: int = 0,
        slices: Sequence[int] = (1, 2, 3),
        box: Box = BOX,
        absent: Sequence[int] | None = None,
        submitted: bool = True,
        state: AssignmentState | None = None,
        iou: float = 0.9,
    ) -> None:
        """Boxes on ``slices``; every other slice absent unless given. Submitted work has its mask."""
        block = np.zeros(SHAPE, np.uint8)
        block[list(slices), 2:7, 3:9] = label_index
        empty = absent if absent is not None else [z for z in range(SHAPE[0]) if z not in slices]
        document = document_from_tracks(
            SHAPE,
            link({z: [box] for z in slices}, source=BoxSource.DRAWN),
            absent=Intervals.from_slices(empty),
        )
        with self.database.write() as session:
            label = factories.label_of(session, self.project, label_index)
            task = session.scalar(sa.select(Task).filter_by(volume_id=volume.id, label_id=label.id))
            task = task or factories.add_task(session, volume, label_index=label_index)
            taken = session.scalars(sa.select(Assignment).filter_by(task_id=task.id)).all()
            assignment = factories.add_assignment(
                session,
                task,
                self.people[by],
                slot=len(taken),
                state=state or (AssignmentState.SUBMITTED if submitted else AssignmentState.RESERVED),
            )
            annotation = factories.add_annotation(
                session,
                assignment,
                state=AnnotationState.SUBMITTED if submitted else AnnotationState.OPEN,
                shape=SHAPE,
            )
            annotation.document = document.to_json()
            annotation.revision = 1
            annotation.not_in_volume = document.absent_everywhere
            if submitted:
                annotation.submitted_revision = 1
                session.add(
                    Segmentation(
                        annotation_id=annotation.id,
                        revision=1,
                        job_id=factories.add_job(session).id,
                        model="litemedsam",
                        mask_sha256=self.blob(volume, block),
                        provenance={
                            "model": "litemedsam",
                            "slices": [
                                {"slice": z, "sources": ["drawn"], "predicted_iou": [iou]} for z in slices
                            ],
                        },
                        seconds=1.0,
                    )
                )

    def preview(self, **choice: Any) -> ExportPreview:
        with self.database.read() as session:
            return queries.export_preview(
                session,
                self.admin,
                project_id=self.project.id,
                choice=DatasetChoice(**choice),
                default_model="litemedsam",
            )

    def reasons(self, **choice: Any) -> dict[str, str]:
        return {one.volume_name: one.reason for one in self.preview(**choice).left_out}

    def export(self, **choice: Any) -> Export:
        with self.database.write() as session:
            return service.create_export(
                session, self.admin, project_id=self.project.id, name="Set", choice=DatasetChoice(**choice)
            )

    def selection(self, export: Export) -> Selection:
        with self.database.read() as session:
            return service.selection_with_masks(session, export.id)

    def build(self, export: Export) -> Path:
        selection = self.selection(export)
        parent = self.folder / str(export.id)
        with self.database.read() as session:
            documents = read_documents(session, selection)
        build_dataset(
            selection,
            self.storage,
            parent,
            documents=documents,
            report=lambda share: None,
            verify=lambda folder: None,
        )
        return parent / selection.dataset_name

    def make_masks(self) -> int:
        """What the worker does for the derived masks that are wanted; how many there were."""
        with self.database.write() as session:
            wanted = session.scalars(sa.select(DerivedMask).where(DerivedMask.mask_sha256.is_(None))).all()
            for mask in wanted:
                volume = session.get_one(Volume, mask.volume_id)
                block = np.zeros(SHAPE, np.uint8)
                block[BLOCK] = mask.label_index
                made = record_derived(
                    session,
                    derived_mask_id=mask.id,
                    mask_sha256=self.blob(volume, block),
                    provenance={"model": mask.model, "slices": [{"slice": 1, "predicted_iou": [0.8]}]},
                    seconds=1.0,
                )
                service.write_when_masks_are_made(session, made)
            return len(wanted)

    def writing_jobs(self) -> int:
        with self.database.read() as session:
            return len(session.scalars(sa.select(Job).filter_by(kind=JobKind.EXPORT)).all())


def whole(place: Place, name: str, **volume: Any) -> Volume:
    made = place.volume(name, **volume)
    place.work(made, 1)
    place.work(made, 2)
    return made


def labels_of(folder: Path, case: str, *, split: str = "Tr") -> Any:
    return nifti.read_label_map(folder / f"labels{split}" / f"{case}.nii.gz").voxels
