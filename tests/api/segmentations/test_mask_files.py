"""Masks over HTTP: how far they are, the file, the bits, and who gets them."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import nibabel
import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.completion import Completion
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState
from crowdmask.core.region import map_bytes
from crowdmask.infra.db import Database
from crowdmask.models import Account, Annotation, Job, JobKind, Project, Queue, Role, Volume
from crowdmask.segmentations import service
from crowdmask.segmentations.derived import Rule, Wish, record_derived, request_mask
from tests import factories
from tests.api.server import AppServer, problem
from tests.studies import answer_absent, begin, make_study

SHAPE = (3, 5, 7)  # 35 voxels a slice: not a whole number of bytes


@dataclass(frozen=True)
class Place:
    """A submitted annotation on a volume that is stored towards Left, Anterior, Superior, and people around it."""

    server: AppServer
    folder: Path
    people: dict[str, Account]
    project_id: UUID
    volume: Volume
    annotation: Annotation
    job_id: UUID

    def get(self, name: str, path: str) -> Any:
        return self.server.sign_in(self.people[name]).get(f"/api/v1{path}")

    def state(self, name: str = "ann") -> dict[str, Any]:
        answer = self.get(name, f"/annotations/{self.annotation.id}/mask")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def make_mask(self, voxels: Any, uncertainty: Any = None) -> UUID:
        """What the job ``segment`` does; ``voxels`` (z, y, x) canonical. Without ``uncertainty``: what it did before there was
        any."""
        storage = self.server.storage
        source = nifti.read_source_grid(storage.path(self.volume.source_sha256))
        nifti.write_mask(self.folder / "mask.nii.gz", voxels, source)
        slices = [
            {"slice": 0, "predicted_iou": [0.9, 0.7], "sources": [], "confirmed": []},
            {"slice": 2, "predicted_iou": [0.5], "sources": [], "confirmed": []},
        ]
        with self.server.database.write() as session:
            return service.record_mask(
                session,
                job_id=self.job_id,
                annotation_id=self.annotation.id,
                revision=0,
                model="litemedsam",
                mask_sha256=storage.put_file(self.folder / "mask.nii.gz"),
                provenance={"slices": slices},
                seconds=1.5,
                uncertainty_sha256=None if uncertainty is None else storage.put_bytes(map_bytes(uncertainty)),
            ).id


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Place:
    folder = tmp_path / "made"
    folder.mkdir()
    affine = np.diag([-2.0, 2, 3, 1])
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), affine), folder / "image.nii.gz")
    roles = {"ann": Role.ANNOTATOR, "ben": Role.ANNOTATOR, "rev": Role.REVIEWER, "res": Role.RESEARCHER}
    with server.database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in ("admin", "stranger", *roles)}
        project = factories.add_project(session, people["admin"], labels=("left kidney", "liver"))
        for name, role in roles.items():
            factories.add_member(session, project, people[name], role=role)
        volume = factories.add_volume(
            session,
            project,
            name='../CT "ä" 1',
            shape=SHAPE,
            source_sha256=server.storage.put_file(folder / "image.nii.gz"),
        )
        assignment = factories.add_assignment(
            session, factories.add_task(session, volume), people["ann"], state=AssignmentState.SUBMITTED
        )
        annotation = factories.add_annotation(
            session, assignment, state=AnnotationState.SUBMITTED, shape=SHAPE
        )
        job = jobs.enqueue(
            session,
            JobKind.SEGMENT,
            {},
            idem_key=f"segment:{annotation.id}:0",
            queue=Queue.GPU,
            project_id=project.id,
            account_id=people["ann"].id,
        )
    return Place(server, folder, people, project.id, volume, annotation, job.id)


def test_the_mask_of_submitted_work_is_queued_running_done_or_failed_with_its_reason(place: Place) -> None:
    assert place.state() == {"state": "queued", "progress": 0.0, "error": None, "segmentation": None}

    def set_job(**values: Any) -> None:
        with place.server.database.write() as session:
            session.execute(sa.update(Job).where(Job.id == place.job_id).values(**values))

    set_job(state=JobState.RUNNING, lease_owner="w", lease_until=place.volume.created_at, progress=0.25)
    assert (place.state()["state"], place.state()["progress"]) == ("running", 0.25)
    set_job(state=JobState.DEAD, lease_owner=None, lease_until=None, error_text="No boxes.")
    assert (place.state()["state"], place.state()["error"]) == ("failed", "No boxes.")
    set_job(state=JobState.CANCELLED, error_text=None)
    assert (place.state()["state"], place.state()["error"]) == ("failed", "It was cancelled.")
    made = place.make_mask(np.ones(SHAPE, np.uint8))
    done = place.state()
    assert (done["state"], done["error"], done["segmentation"]["id"]) == ("done", None, str(made))
    assert done["segmentation"]["predicted_iou"] == {"0": 0.7, "2": 0.5}
    with place.server.database.write() as session:
        session.get_one(Annotation, place.annotation.id).submitted_revision = None
    assert place.state()["state"] == "none"


def test_the_bits_are_the_mask_on_the_canonical_grid(place: Place) -> None:
    voxels = np.random.default_rng(1).integers(0, 2, SHAPE, dtype=np.uint8)
    made = place.make_mask(voxels)
    answer = place.get("ann", f"/segmentations/{made}/bits")
    assert answer.status_code == 200, answer.text
    rows = np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SHAPE[0], -1)
    assert rows.shape[1] == 5  # 35 bits in whole bytes
    bits = np.unpackbits(rows, axis=1, count=SHAPE[1] * SHAPE[2]).reshape(SHAPE)
    assert np.array_equal(bits, voxels)
    assert answer.headers["etag"]


def test_the_map_of_uncertainty_is_as_it_was_made_and_an_old_mask_has_none(place: Place) -> None:
    mask = np.ones(SHAPE, np.uint8)
    made = place.make_mask(mask)
    (listed,) = place.get("rev", f"/projects/{place.project_id}/masks").json()["items"]
    assert listed["segmentation"]["has_uncertainty"] is False
    problem(place.get("ann", f"/segmentations/{made}/uncertainty"), 404, "not_found")
    doubt = np.random.default_rng(2).integers(0, 101, SHAPE, dtype=np.uint8)
    assert place.make_mask(mask, doubt) == made
    assert place.state()["segmentation"]["has_uncertainty"] is True
    answer = place.get("ann", f"/segmentations/{made}/uncertainty")
    assert answer.status_code == 200, answer.text
    assert np.array_equal(np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SHAPE), doubt)
    again = place.server.sign_in(place.people["ann"]).get(
        f"/api/v1/segmentations/{made}/uncertainty", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_a_mask_that_a_dataset_asked_for_is_listed_with_whose_work_it_is_and_given_out(place: Place) -> None:
    voxels = np.random.default_rng(3).integers(0, 2, SHAPE, dtype=np.uint8)
    place.make_mask(voxels)
    storage = place.server.storage
    with place.server.database.write() as session:
        project = session.get_one(Project, place.project_id)
        volume = session.get_one(Volume, place.volume.id)
        volume.pack_sha256 = storage.put_bytes(b"a pack")
        wish = Wish(1, Rule.MEDIAN, ((place.annotation.id, 0),), Completion.FULL, "litemedsam")
        row = request_mask(session, wish, project=project, volume=volume)
    path = f"/projects/{place.project_id}/derived-masks"
    assert place.get("rev", path).json()["items"] == [], "it is not made yet"
    problem(place.get("rev", f"/derived-masks/{row.id}/bits"), 404, "not_found")
    with place.server.database.write() as session:
        record_derived(
            session,
            derived_mask_id=row.id,
            mask_sha256=storage.put_file(place.folder / "mask.nii.gz"),
            provenance={"slices": []},
            seconds=1.0,
            uncertainty_sha256=storage.put_bytes(map_bytes(voxels)),
        )
    (listed,) = place.get("rev", path).json()["items"]
    told = (listed["rule"], listed["completion"], listed["annotators"], listed["label_name"])
    assert told == ("median", "full", ["ann"], "left kidney")
    rows = np.frombuffer(
        zlib.decompress(place.get("res", f"/derived-masks/{row.id}/bits").content), np.uint8
    ).reshape(SHAPE[0], -1)
    assert np.array_equal(np.unpackbits(rows, axis=1, count=SHAPE[1] * SHAPE[2]).reshape(SHAPE), voxels)
    assert place.get("res", f"/derived-masks/{row.id}/uncertainty").status_code == 200
    named = place.get("res", f"/derived-masks/{row.id}/file").headers["content-disposition"]
    assert 'filename="CT_a_1_left_kidney_median_full.nii.gz"' in named
    problem(place.get("ann", path), 403, "not_allowed")
    for kind in ("file", "bits", "uncertainty"):
        problem(place.get("ann", f"/derived-masks/{row.id}/{kind}"), 404, "not_found")


def test_the_file_is_the_stored_mask_under_a_name_that_every_system_takes(place: Place) -> None:
    made = place.make_mask(np.ones(SHAPE, np.uint8))
    answer = place.get("res", f"/segmentations/{made}/file")
    assert answer.status_code == 200, answer.text
    assert answer.content == (place.folder / "mask.nii.gz").read_bytes()
    assert 'filename="CT_a_1_left_kidney.nii.gz"' in answer.headers["content-disposition"]
    assert "ann" not in answer.headers["content-disposition"]


def test_a_mask_is_for_its_annotator_and_for_who_sees_all(place: Place) -> None:
    """Fault 52."""
    made = place.make_mask(np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    paths = [
        f"/annotations/{place.annotation.id}/mask",
        f"/segmentations/{made}/file",
        f"/segmentations/{made}/bits",
        f"/segmentations/{made}/uncertainty",
    ]
    for path in paths:
        for name in ("ann", "admin", "rev", "res"):
            assert place.get(name, path).status_code == 200, (name, path)
        for name in ("ben", "stranger"):
            problem(place.get(name, path), 404, "not_found")
    (listed,) = place.get("rev", f"/projects/{place.project_id}/masks").json()["items"]
    assert (listed["volume_name"], listed["label_name"], listed["annotator"]) == (
        place.volume.name,
        "left kidney",
        "ann",
    )
    assert listed["segmentation"]["id"] == str(made)
    problem(place.get("ann", f"/projects/{place.project_id}/masks"), 403, "not_allowed")
    problem(place.get("stranger", f"/projects/{place.project_id}/masks"), 404, "not_found")


def test_a_damaged_or_missing_mask_is_never_served(place: Place) -> None:
    """Fault 46."""
    made = place.make_mask(np.ones(SHAPE, np.uint8))
    sha256 = place.state()["segmentation"]["mask_sha256"]
    path = place.server.storage.path(sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    for kind in ("file", "bits"):
        problem(place.get("ann", f"/segmentations/{made}/{kind}"), 500, "blob_corrupt")
    path.unlink()
    for kind in ("file", "bits"):
        problem(place.get("ann", f"/segmentations/{made}/{kind}"), 500, "blob_missing")


def test_an_actor_is_enough_to_see_ones_own_mask(place: Place) -> None:
    from crowdmask.segmentations.queries import visible_segmentation

    made = place.make_mask(np.ones(SHAPE, np.uint8))
    with place.server.database.read() as session:
        found = visible_segmentation(session, Actor(place.people["ann"].id), made)
    assert (found.volume.id, found.label.name, found.annotator.name) == (
        place.volume.id,
        "left kidney",
        "ann",
    )


def test_the_job_that_makes_a_mask_says_for_which_project_and_person_it_is(database: Database) -> None:
    study = make_study(database)
    answer_absent(database, begin(database, study, study.annotators[0]))
    with database.read() as session:
        job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.project_id) == (JobKind.SEGMENT, study.project_id)
    assert job.account_id == study.annotators[0].account_id
