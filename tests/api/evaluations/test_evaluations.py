"""Masks against references: asked for over HTTP, computed by the real worker, compared with the metrics by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from crowdmask.core import metrics, nifti
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState
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
    Role,
    Segmentation,
    Volume,
)
from crowdmask_worker.runner import Runner
from tests import factories
from tests.api.server import AppServer, problem

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

    def mask(self, volume: Volume, voxels: Masks, *, label_index: int = 1, bare: bool = False) -> UUID:
        with self.server.database.write() as session:
            assignment = factories.add_assignment(
                session,
                factories.add_task(session, session.get_one(Volume, volume.id), label_index=label_index),
                self.people["ann"],
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

    def ask(self, *, by: str = "admin") -> Any:
        return self.server.sign_in(self.people[by]).post(f"/api/v1/projects/{self.project.id}/evaluations")

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


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Place:
    folder = tmp_path / "made"
    folder.mkdir()
    with server.database.write() as session:
        people = {
            name: factories.add_account(session, name=name) for name in ("admin", "ann", "res", "stranger")
        }
        project = factories.add_project(session, people["admin"], labels=("liver", "spleen"))
        factories.add_member(session, project, people["ann"])
        factories.add_member(session, project, people["res"], role=Role.RESEARCHER)
    return Place(server, folder, people, project)


def test_masks_are_compared_with_their_references_by_the_worker(place: Place) -> None:
    made, expert = blob(z=slice(0, 3), x=3), blob(z=slice(1, 4), x=4)
    both = expert | blob(z=slice(0, 1), x=8, value=2)
    place.mask(place.volume("a", both), made)
    place.mask(place.volume("b", blob(z=slice(0, 2), x=1)), blob(z=slice(0, 2), x=1))
    place.mask(place.volume("c", None), made)
    before = place.table().json()
    assert (len(before["rows"]), before["pending"], before["without_reference"]) == (2, 2, 1)
    assert before["rows"][0]["evaluated_at"] is before["rows"][0]["volume_dice"] is None
    asked = place.ask(by="res")
    assert (asked.status_code, asked.json()) == (202, {"jobs": 2})
    assert place.ask().json() == {"jobs": 2}  # twice is as good as once
    assert place.job_states() == [JobState.QUEUED] * 2
    place.work()
    after = place.table(by="res").json()
    assert (after["pending"], after["without_reference"]) == (0, 1)
    first, second = after["rows"]
    expected = metrics.score(made > 0, both == 1)
    assert (first["volume_name"], first["label_name"], first["annotator"]) == ("a", "liver", "ann")
    assert first["reference_origin"] == "expert"
    assert first["volume_dice"] == pytest.approx(expected.volume_dice)
    assert first["slice_dice"] == pytest.approx(expected.slice_dice)
    assert first["slice_dice_all"] == pytest.approx(expected.slice_dice_all)
    assert (first["slices_predicted"], first["slices_reference"]) == (3, 3)
    assert (second["volume_name"], second["volume_dice"]) == ("b", 1.0)
    (mean,) = after["means"]
    assert (mean["label_name"], mean["n"]) == ("liver", 2)
    assert mean["volume_dice"] == pytest.approx((expected.volume_dice + 1) / 2)
    assert place.ask().json() == {"jobs": 0}
    with place.server.database.read() as session:
        assert {job.project_id for job in session.scalars(sa.select(Job).filter_by(kind="evaluate"))} == {
            place.project.id
        }


def test_an_undefined_score_is_null_and_counts_in_no_mean(place: Place) -> None:
    nothing = np.zeros(GRID.shape, np.uint8)
    place.mask(place.volume("a", blob(z=slice(0, 1), x=3, value=2)), nothing)
    place.ask()
    place.work()
    table = place.table().json()
    (row,) = table["rows"]
    assert row["volume_dice"] is row["slice_dice"] is row["slice_dice_all"] is None
    assert row["slices_predicted"] == 0
    assert row["evaluated_at"] is not None
    assert table["pending"] == 0
    assert table["means"] == [{"label_index": 1, "label_name": "liver", "n": 0, "volume_dice": None}]


def test_files_without_orientation_lie_as_the_admin_said(place: Place) -> None:
    made = blob(z=slice(0, 3), x=3)
    place.mask(place.volume("a", made, bare=True), made, bare=True)
    place.ask()
    place.work()
    assert place.job_states() == [JobState.DONE]
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0


def test_a_mask_that_was_made_again_is_evaluated_again(place: Place) -> None:
    expert = blob(z=slice(0, 3), x=3)
    segmentation_id = place.mask(place.volume("a", expert), blob(z=slice(0, 1), x=3))
    place.ask()
    place.work()
    with place.server.database.write() as session:
        session.get_one(Segmentation, segmentation_id).mask_sha256 = place.store(expert)
    assert place.table().json()["pending"] == 1
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Evaluation)) == 2


def test_a_damaged_file_fails_the_evaluation_and_asking_again_after_its_repair_does_it(place: Place) -> None:
    """Fault 46."""
    expert = blob(z=slice(0, 3), x=3)
    segmentation_id = place.mask(place.volume("a", expert), expert)
    with place.server.database.read() as session:
        path = place.server.storage.path(session.get_one(Segmentation, segmentation_id).mask_sha256)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    place.ask()
    place.work()
    assert place.job_states() == [JobState.DEAD]
    assert place.table().json()["pending"] == 1
    place.server.storage.put_bytes(whole)
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.job_states() == [JobState.DONE]
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0


def test_evaluations_are_for_admins_and_researchers(place: Place) -> None:
    for answer in (place.table(by="ann"), place.ask(by="ann")):
        problem(answer, 403, "not_allowed")
    for answer in (place.table(by="stranger"), place.ask(by="stranger")):
        problem(answer, 404, "not_found")
