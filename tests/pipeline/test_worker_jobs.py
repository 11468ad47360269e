"""The jobs of the worker, run for real: a file becomes a slice pack, boxes become a mask with its provenance."""

import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.annotations import service as annotations
from crowdmask.assignments import service as assignments
from crowdmask.core import nifti
from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, PartialRule
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.operations import AddTrack, MarkNotInVolume, Operation, SetLabelRange, operation_from_json
from crowdmask.core.tracks import BoxSource, Keyframe
from crowdmask.core.volume import Grid
from crowdmask.exports import service as exports
from crowdmask.exports.builder import MANIFEST_NAME
from crowdmask.exports.selection import Selection
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage, sha256_of
from crowdmask.models import Export, Job, JobKind, Project, Queue, Segmentation, Task, Volume
from crowdmask.segmentations.schemas import SuggestionAnswer
from crowdmask.segmentations.service import request_embeddings
from crowdmask.segmentations.suggestions import request_suggestion
from crowdmask.volumes import service as volumes
from crowdmask.volumes.intake import receive
from crowdmask_worker.runner import Runner
from tests import factories

# The demo, the embedded platform and the browser's tests do the same on SQLite.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]

SHAPE = (6, 48, 64)
GRID = Grid(shape=SHAPE, affine=np.array([[-3.0, 0, 0, 9], [0, -3, 0, 8], [0, 0, 5, 7], [0, 0, 0, 1]]))
DISC = (24, 20, 9)  # row, column, radius in voxels of a bright disc on the slices 1 to 4
BOX = Box(10, 14, 31, 35)


@dataclass(frozen=True)
class Place:
    """A project with an ingested volume whose file is rotated away from canonical order."""

    database: Database
    storage: LocalStorage
    runner: Runner
    admin: Actor
    project_id: UUID
    path: Path

    def add_volume(self) -> UUID:
        with self.database.write() as session:
            return volumes.add_volume(
                session,
                self.admin,
                project_id=self.project_id,
                name="disc",
                received=receive(self.path, self.storage),
            ).id

    def drain(self) -> None:
        self.runner.drain([Queue.CPU, Queue.GPU])

    def submit(self, operations: list[Operation], *, by: Actor | None = None, hand_in: bool = True) -> UUID:
        person = by or self.admin
        with self.database.write() as session:
            assignment = assignments.claim_next(
                session,
                person,
                project_id=self.project_id,
                lease_s=self.runner.settings.task_lease_s,
            )
            assert assignment is not None
            annotation = annotations.open_annotation(session, person, assignment_id=assignment.id)
            pack = session.scalars(sa.select(Volume.pack_sha256)).one()
            assert pack is not None
            answer = annotations.save(
                session,
                person,
                annotation_id=annotation.id,
                revision=0,
                idempotency_key=str(new_id()),
                volume_sha256=pack,
                operations=operations,
            )
            if hand_in:
                annotations.submit(session, person, annotation_id=annotation.id, revision=answer.revision)
            return annotation.id

    def join(self, name: str) -> Actor:
        with self.database.write() as session:
            person = factories.add_account(session, name=name)
            factories.add_member(session, session.get_one(Project, self.project_id), person)
            return Actor(person.id)

    def freeze(self, **choice: Any) -> UUID:
        with self.database.write() as session:
            return exports.create_export(
                session, self.admin, project_id=self.project_id, name="Discs", choice=DatasetChoice(**choice)
            ).id

    def written(self, export_id: UUID) -> tuple[Selection, Path]:
        with self.database.read() as session:
            selection = exports.selection_with_masks(session, export_id)
            assert session.get_one(Export, export_id).manifest_sha256 is not None
        return selection, self.runner.settings.exports_dir / str(export_id) / selection.dataset_name

    def mask_of(self, annotation_id: UUID) -> Segmentation:
        with self.database.read() as session:
            return session.scalars(
                sa.select(Segmentation).where(Segmentation.annotation_id == annotation_id)
            ).one()


@pytest.fixture
def place(database: Database, settings: Settings, storage: LocalStorage, tmp_path: Path) -> Place:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    disc = ((y - DISC[0]) ** 2 + (x - DISC[1]) ** 2 <= DISC[2] ** 2) & (z >= 1) & (z <= 4)
    voxels = np.where(disc, 120, -60).astype(np.int16)
    voxels[:, :2] = -1000
    path = tmp_path / "disc.nii.gz"
    nifti.write_volume(path, voxels, GRID)
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=("disc",))
    runner = Runner(database=database, storage=storage, settings=settings, owner="test")
    return Place(database, storage, runner, Actor(admin.id), project.id, path)


def _ready(place: Place) -> UUID:
    volume_id = place.add_volume()
    place.drain()
    with place.database.write() as session:
        assignments.create_tasks(
            session, place.admin, project_id=place.project_id, volume_ids=[volume_id], label_indices=[1]
        )
    return volume_id


BOXED: list[Operation] = [
    AddTrack("t1", 1, 4, {z: Keyframe(BOX, BoxSource.DRAWN) for z in range(1, 5)}),
    SetLabelRange(1, 4),
]


def test_a_file_becomes_a_slice_pack_and_the_volume_is_ready(place: Place) -> None:
    volume_id = _ready(place)
    with place.database.read() as session:
        volume = session.get_one(Volume, volume_id)
        assert session.scalars(sa.select(Job.state)).all() == [JobState.DONE]
    assert volume.state is VolumeState.READY
    assert volume.pack_sha256 is not None
    assert place.storage.path(volume.pack_sha256).is_file()


def test_a_file_damaged_after_its_upload_makes_the_volume_failed_with_the_reason(place: Place) -> None:
    """Faults 3 and 46: the sha256 of the upload is checked again before each job."""
    volume_id = place.add_volume()
    with place.database.read() as session:
        path = place.storage.path(session.get_one(Volume, volume_id).source_sha256)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-20])
    place.drain()
    with place.database.read() as session:
        volume = session.get_one(Volume, volume_id)
    assert volume.state is VolumeState.FAILED
    assert volume.refusal_code == ErrorCode.BLOB_CORRUPT


@pytest.mark.slow
def test_boxes_become_a_mask_on_the_source_grid_with_its_provenance(place: Place) -> None:
    _ready(place)
    made = place.mask_of(_drained(place, BOXED))
    image = nifti.read_label_map(place.storage.path(made.mask_sha256))
    assert image.grid.matches(GRID)
    assert set(np.unique(image.voxels)) == {0, 1}
    assert np.flatnonzero(image.voxels.any(axis=(1, 2))).tolist() == [1, 2, 3, 4]
    provenance = made.provenance
    assert provenance["model"] == "litemedsam"
    assert len(provenance["model_sha256"]) == 64
    assert provenance["window"] == {"low": -160.0, "high": 240.0}
    assert provenance["completion"] == "none"
    assert [on_slice["slice"] for on_slice in provenance["slices"]] == [1, 2, 3, 4]
    assert all(on_slice["sources"] == ["drawn"] for on_slice in provenance["slices"])
    assert all(len(on_slice["confirmed"]) == 1 for on_slice in provenance["slices"])
    assert all(0 < on_slice["expected_dice"] < 1 for on_slice in provenance["slices"])
    assert provenance["preprocessing"]
    assert len(provenance["boxes_sha256"]) == 64
    assert "seconds" not in provenance
    assert made.seconds > 0


@pytest.mark.slow
def test_the_same_revision_gives_the_same_bytes_of_mask_and_uncertainty_and_the_same_provenance(
    place: Place,
) -> None:
    _ready(place)
    annotation_id = _drained(place, BOXED)
    first = place.mask_of(annotation_id)
    from crowdmask import jobs

    with place.database.write() as session:
        jobs.retry(session, first.job_id)
    place.drain()
    again = place.mask_of(annotation_id)
    assert again.id == first.id
    assert again.mask_sha256 == first.mask_sha256
    assert again.provenance == first.provenance
    assert again.uncertainty_sha256 == first.uncertainty_sha256
    mask = nifti.read_label_map(place.storage.path(first.mask_sha256)).voxels > 0
    packed = place.storage.path(str(first.uncertainty_sha256)).read_bytes()
    doubt = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(mask.shape)
    assert np.array_equal(doubt.any(axis=(1, 2)), mask.any(axis=(1, 2)))
    edge = mask & ~np.roll(mask, 1, axis=2)
    assert doubt[edge].mean() > 5 * doubt[~edge].mean(), "it is the outline that the model is undecided about"
    assert again.seconds != first.seconds


def test_an_organ_that_is_not_in_the_volume_gets_an_empty_mask(place: Place) -> None:
    _ready(place)
    made = place.mask_of(_drained(place, [MarkNotInVolume()]))
    assert not nifti.read_label_map(place.storage.path(made.mask_sha256)).voxels.any()
    assert made.provenance["slices"] == []


def test_an_absence_that_two_people_found_becomes_background_in_the_exported_dataset(place: Place) -> None:
    _ready(place)
    _drained(place, [MarkNotInVolume()])
    with pytest.raises(InvalidInput, match="disc has 1 of 2 answers"), place.database.write() as session:
        exports.create_export(session, place.admin, project_id=place.project_id, name="Discs")
    _drained(place, [MarkNotInVolume()], by=place.join("Second"))
    with place.database.write() as session:
        export = exports.create_export(session, place.admin, project_id=place.project_id, name="Discs")
    place.drain()
    folder = place.runner.settings.exports_dir / str(export.id) / "Dataset501_Discs"
    assert check_dataset(folder).empty_cases == ("disc",)
    with place.database.read() as session:
        written = session.get_one(Export, export.id).manifest_sha256
    assert written == sha256_of(folder / MANIFEST_NAME)


@pytest.mark.slow
def test_unfinished_work_is_completed_for_a_dataset_and_what_stays_open_is_ignored(place: Place) -> None:
    """Without submission, through the queue: the derived mask first, then the folder, which nnU-Net's check accepts."""
    _ready(place)
    drawn = {z: Keyframe(BOX, BoxSource.DRAWN) for z in (1, 2)}
    place.submit([AddTrack("t1", 1, 2, drawn)], hand_in=False)
    partial, full = (
        place.freeze(unfinished=True, partial=PartialRule.IGNORE, completion=completion)
        for completion in (Completion.NONE, Completion.FULL)
    )
    place.drain()
    selection, folder = place.written(partial)
    assert check_dataset(folder).dataset.description.ignores
    labels = nifti.read_label_map(folder / "labelsTr" / "disc.nii.gz").voxels
    assert [set(np.unique(on_slice)) for on_slice in labels] == [{2}, {0, 1}, {0, 1}, {2}, {2}, {2}]
    assert selection.cases[0].masks[0].provenance is not None
    selection, folder = place.written(full)
    labels = nifti.read_label_map(folder / "labelsTr" / "disc.nii.gz").voxels
    # As far as two drawn slices allow a guess.
    assert np.flatnonzero((labels == 1).any(axis=(1, 2))).tolist() == [1, 2, 3]
    assert not (labels == 2).any()
    provenance = selection.cases[0].masks[0].provenance
    assert provenance is not None
    assert (provenance["completion"], provenance["rule"]) == ("full", "single")
    assert [on_slice["slice"] for on_slice in provenance["slices"] if on_slice["added_boxes"]] == [3]
    assert "| guessed beyond the ends | 4 | 66.7 % |" in (folder / "DATASET_CARD.md").read_text()


@pytest.mark.slow
def test_the_median_of_two_people_is_segmented_for_a_dataset(place: Place) -> None:
    _ready(place)
    with place.database.write() as session:
        session.scalars(sa.select(Task)).one().overlap = 2
    _drained(place, BOXED)
    wide = {z: Keyframe(Box(8, 14, 31, 35), BoxSource.DRAWN) for z in range(1, 5)}
    second = _drained(place, [AddTrack("t1", 1, 4, wide), SetLabelRange(1, 4)], by=place.join("Second"))
    median = place.freeze(source=LabelSource.MEDIAN)
    place.drain()
    selection, folder = place.written(median)
    (mask,) = selection.cases[0].masks
    assert len(mask.inputs) == 2
    assert mask.provenance is not None
    assert mask.provenance["rule"] == "median"
    assert {source for on_slice in mask.provenance["slices"] for source in on_slice["sources"]} == {
        "consensus"
    }
    assert mask.mask_sha256 != place.mask_of(second).mask_sha256
    assert (folder / "crowd/masks/disc__disc__median.nii.gz").is_file()


def _drained(place: Place, operations: list[Operation], *, by: Actor | None = None) -> UUID:
    annotation_id = place.submit(operations, by=by)
    place.drain()
    with place.database.read() as session:
        states = session.execute(sa.select(Job.kind, Job.state, Job.error_text)).all()
    assert all(state is JobState.DONE for _, state, _ in states), states
    return annotation_id


@pytest.mark.slow
def test_boxes_are_suggested_where_the_model_follows_an_organ_on(place: Place) -> None:
    volume_id = _ready(place)
    drawn = {z: Keyframe(BOX, BoxSource.DRAWN) for z in (1, 2)}
    with place.database.write() as session:
        assignment = assignments.claim_next(session, place.admin, project_id=place.project_id, lease_s=3600)
        assert assignment is not None
        annotation = annotations.open_annotation(session, place.admin, assignment_id=assignment.id)
        annotations.save(
            session,
            place.admin,
            annotation_id=annotation.id,
            revision=0,
            idempotency_key=str(new_id()),
            volume_sha256=str(session.get_one(Volume, volume_id).pack_sha256),
            operations=[AddTrack("t1", 1, 2, drawn)],
        )

    def ask() -> SuggestionAnswer:
        with place.database.write() as session:
            return request_suggestion(
                session, place.admin, annotation_id=annotation.id, default_model="litemedsam"
            )

    assert ask().state == "queued"
    place.drain()
    answer = ask()
    assert (answer.state, answer.error) == ("done", None)
    found = [operation_from_json(one) for one in answer.operations]
    suggested = {z: keyframe for one in found for z, keyframe in one.keyframes.items()}
    assert 3 in suggested
    assert not {1, 2} & set(suggested)
    assert {keyframe.source for keyframe in suggested.values()} == {BoxSource.PROPAGATED}
    assert suggested[3].box.iou(BOX) > 0.6


@pytest.mark.slow
def test_slices_are_embedded_ahead_when_asked_and_make_way_for_a_mask(place: Place) -> None:
    volume_id = _ready(place)
    with place.database.write() as session:
        request_embeddings(session, volume_id=volume_id)
        request_embeddings(session, volume_id=volume_id)  # twice asks for nothing new
    annotation_id = place.submit(BOXED)
    place.drain()
    with place.database.read() as session:
        made = session.scalars(sa.select(Job).where(Job.kind == JobKind.EMBED)).all()
        mask = session.scalars(sa.select(Job).where(Job.kind == JobKind.SEGMENT)).one()
    assert [(job.state, job.payload["first"]) for job in made] == [(JobState.DONE, 0)]
    assert mask.finished_at is not None
    assert made[0].started_at is not None
    assert mask.finished_at <= made[0].started_at  # a mask comes first
    assert place.mask_of(annotation_id)
    kept = list(place.runner.settings.embeddings_dir.rglob("*.embedding"))
    assert len(kept) == SHAPE[0]


def test_an_embed_job_that_runs_makes_way_for_a_mask_and_encodes_no_slice_twice(place: Place) -> None:
    volume_id = _ready(place)
    with place.database.write() as session:
        request_embeddings(session, volume_id=volume_id)
    kept = place.runner.settings.embeddings_dir
    first: dict[Path, int] = {}

    def submit_when_the_first_slice_is_encoded() -> UUID:
        while not first:
            first.update({path: path.stat().st_mtime_ns for path in kept.rglob("*.embedding")})
            time.sleep(0.005)
        return place.submit(BOXED)

    with ThreadPoolExecutor(1) as meanwhile:
        submitted = meanwhile.submit(submit_when_the_first_slice_is_encoded)
        place.drain()
        annotation_id = submitted.result()
    place.drain()
    with place.database.read() as session:
        begun, rest = session.scalars(
            sa.select(Job).where(Job.kind == JobKind.EMBED).order_by(Job.created_at, Job.id)
        ).all()
        mask = session.scalars(sa.select(Job).where(Job.kind == JobKind.SEGMENT)).one()
    assert (begun.state, rest.state, mask.state) == (JobState.DONE,) * 3
    assert begun.payload["first"] == 0
    assert 0 < rest.payload["first"] < SHAPE[0]
    assert begun.started_at is not None
    assert mask.finished_at is not None
    assert rest.started_at is not None
    assert begun.started_at < mask.created_at
    assert mask.finished_at <= rest.started_at
    assert place.mask_of(annotation_id)
    assert len(list(kept.rglob("*.embedding"))) == SHAPE[0]
    assert {path: path.stat().st_mtime_ns for path in first} == first


@pytest.mark.parametrize("ahead", [False, True])
def test_a_new_volume_is_embedded_ahead_only_where_the_installation_says_so(
    place: Place, ahead: bool
) -> None:
    settings = place.runner.settings.model_copy(update={"embed_ahead": ahead})
    place.add_volume()
    replace(place.runner, settings=settings).drain([Queue.CPU])
    with place.database.read() as session:
        found = session.scalars(sa.select(Job).where(Job.kind == JobKind.EMBED)).all()
    assert [(job.queue, job.priority > 0) for job in found] == ([(Queue.GPU, True)] if ahead else [])
