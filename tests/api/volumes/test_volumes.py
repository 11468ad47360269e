"""Volumes and references enter a project through the gate."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import SimpleITK
import sqlalchemy as sa

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.errors import (
    Conflict,
    Corrupt,
    CrowdmaskError,
    ErrorCode,
    InvalidInput,
    NotAllowed,
    NotFound,
)
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.core.slicepack import write_pack
from crowdmask.core.volume import Grid
from crowdmask.infra.db import Database
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Job, JobKind, ReferenceMask, ReferenceOrigin, Role, Volume
from crowdmask.volumes import service
from crowdmask.volumes.intake import Received, receive, receive_reference
from tests import factories

GRID = Grid(shape=(4, 12, 16), affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))


@pytest.fixture
def place(database: Database) -> tuple[Actor, UUID]:
    """An admin and their project."""
    with database.write() as session:
        admin = factories.add_account(session)
        return Actor(admin.id), factories.add_project(session, admin).id


def _ct(folder: Path, *, seed: int = 0, name: str = "ct.nii.gz") -> Path:
    voxels = np.random.default_rng(seed).integers(-1000, 1000, GRID.shape, dtype=np.int16)
    nifti.write_volume(folder / name, voxels, GRID)
    return folder / name


def _labels(folder: Path, *values: int, grid: Grid = GRID) -> Path:
    nifti.write_volume(folder / "grid.nii.gz", np.zeros(grid.shape, np.int16), grid)
    labels = np.zeros(grid.shape, np.uint8)
    for z, value in enumerate(values):
        labels[z, 2:6, 3:9] = value
    nifti.write_mask(folder / "labels.nii.gz", labels, nifti.read_source_grid(folder / "grid.nii.gz"))
    return folder / "labels.nii.gz"


def _add(database: Database, place: tuple[Actor, UUID], received: Received, name: str = "ct-1") -> Volume:
    actor, project_id = place
    with database.write() as session:
        return service.add_volume(session, actor, project_id=project_id, name=name, received=received)


def test_an_accepted_file_becomes_an_ingesting_volume_with_one_job(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    path = _ct(tmp_path)
    volume = _add(database, place, receive(path, storage))
    assert volume.state is VolumeState.INGESTING
    assert (volume.depth, volume.height, volume.width) == GRID.shape
    assert storage.path(volume.source_sha256).read_bytes() == path.read_bytes()
    with database.read() as session:
        job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.payload) == (JobKind.INGEST, {"volume_id": str(volume.id)})


def test_a_refused_file_is_quarantined_with_its_reason_and_no_job(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    whole = _ct(tmp_path).read_bytes()
    (tmp_path / "half.nii.gz").write_bytes(whole[: len(whole) // 2])
    volume = _add(database, place, receive(tmp_path / "half.nii.gz", storage))
    assert volume.state is VolumeState.QUARANTINED
    assert volume.refusal_code == ErrorCode.NIFTI_TRUNCATED
    assert volume.refusal_text
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 0


def test_a_good_file_replaces_the_refused_one_of_its_name(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    (tmp_path / "page.nii.gz").write_text("<html>not found</html>")
    refused = _add(database, place, receive(tmp_path / "page.nii.gz", storage))
    replaced = _add(database, place, receive(_ct(tmp_path), storage))
    assert replaced.id == refused.id
    assert replaced.state is VolumeState.INGESTING
    assert replaced.refusal_code is None


def test_sending_a_volume_again_whose_ingest_was_cancelled_tries_it_again(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    received = receive(_ct(tmp_path), storage)
    volume = _add(database, place, received)
    with database.write() as session:
        jobs.cancel(session, session.scalars(sa.select(Job.id)).one())
    assert _add(database, place, received).id == volume.id
    with database.read() as session:
        assert session.scalars(sa.select(Job.state)).one() is JobState.QUEUED


def test_a_refused_file_under_a_taken_name_says_why_it_was_refused(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    _add(database, place, receive(_ct(tmp_path), storage))
    (tmp_path / "page.nii.gz").write_text("<html>not found</html>")
    with pytest.raises(InvalidInput) as refused:
        _add(database, place, receive(tmp_path / "page.nii.gz", storage))
    assert refused.value.code is ErrorCode.NOT_NIFTI


def test_the_same_voxels_again_are_the_same_volume_and_another_one_may_not_take_its_name(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    """Fault 19: the identity is that of voxels and affine, not of the compressed file."""
    first = _add(database, place, receive(_ct(tmp_path), storage))
    image = nifti.read_volume(tmp_path / "ct.nii.gz")
    (tmp_path / "plain.nii").write_bytes(_uncompressed(tmp_path / "ct.nii.gz"))
    assert nifti.voxels_sha256(nifti.read_volume(tmp_path / "plain.nii")) == nifti.voxels_sha256(image)
    again = _add(database, place, receive(tmp_path / "plain.nii", storage), name="other name")
    assert again.id == first.id
    with pytest.raises(Conflict) as refused:
        _add(database, place, receive(_ct(tmp_path, seed=1), storage))
    assert refused.value.code is ErrorCode.NAME_TAKEN
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Volume)) == 1


def _uncompressed(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes())


def test_only_an_admin_of_the_project_adds_volumes(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    _, project_id = place
    received = receive(_ct(tmp_path), storage)
    with database.write() as session:
        stranger = factories.add_account(session, name="Stranger")
        annotator = factories.add_account(session, name="Annotator")
        from crowdmask.models import Project

        factories.add_member(session, session.get_one(Project, project_id), annotator, role=Role.ANNOTATOR)
    for account, error in ((stranger, NotFound), (annotator, NotAllowed)):
        with pytest.raises(error):
            _add(database, (Actor(account.id), project_id), received)


def test_a_reference_must_lie_on_the_grid_and_hold_labels_of_the_project(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    actor, _ = place
    volume = _add(database, place, receive(_ct(tmp_path), storage))

    def add(path: Path) -> ReferenceMask:
        return _add_reference(database, actor, volume, receive_reference(path, storage, volume=volume))

    elsewhere = Grid(shape=GRID.shape, affine=GRID.affine + np.array([[0, 0, 0, 1.0], *[[0] * 4] * 3]))
    with pytest.raises(Conflict) as shifted:
        add(_labels(tmp_path, 1, 2, grid=elsewhere))
    assert shifted.value.code is ErrorCode.GRID_MISMATCH
    with pytest.raises(InvalidInput) as foreign:
        add(_labels(tmp_path, 1, 9))
    assert foreign.value.code is ErrorCode.LABEL_VALUES_INVALID
    assert "[9]" in foreign.value.message
    added = add(_labels(tmp_path, 1, 4))
    assert add(_labels(tmp_path, 1, 4)).id == added.id
    with pytest.raises(Conflict) as another:
        add(_labels(tmp_path, 2, 4))
    assert another.value.code is ErrorCode.NAME_TAKEN


def _add_reference(database: Database, actor: Actor, volume: Volume, received: Received) -> ReferenceMask:
    with database.write() as session:
        return service.add_reference(
            session, actor, volume_id=volume.id, received=received, origin=ReferenceOrigin.EXPERT
        )


def _in_parallel(call: Callable[[], UUID]) -> list[UUID]:
    """What eight callers at the same moment get."""
    together = threading.Barrier(8)

    def run() -> UUID:
        together.wait()
        return call()

    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(8)]]


def test_the_same_file_sent_eight_times_at_once_is_one_volume_with_one_job_and_one_reference(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    """Fault 19, by an impatient double click."""
    received = receive(_ct(tmp_path), storage)
    (volume_id,) = set(_in_parallel(lambda: _add(database, place, received).id))
    with database.read() as session:
        volume = session.scalars(sa.select(Volume)).one()
        assert volume.id == volume_id
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1
    reference = receive_reference(_labels(tmp_path, 1), storage, volume=volume)
    assert len(set(_in_parallel(lambda: _add_reference(database, place[0], volume, reference).id))) == 1


def test_sending_a_failed_volume_again_repairs_it(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    failed = _add(database, place, receive(_ct(tmp_path), storage))
    damaged = Corrupt(ErrorCode.BLOB_CORRUPT, "The stored file is damaged.")
    with database.write() as session:
        service.record_refusal(session, volume_id=failed.id, refusal=damaged)
        session.execute(sa.update(Job).values(state=JobState.DONE))
    (tmp_path / "plain.nii").write_bytes(_uncompressed(tmp_path / "ct.nii.gz"))
    received = receive(tmp_path / "plain.nii", storage)
    repaired = _add(database, place, received)
    assert repaired.id == failed.id
    assert (repaired.state, repaired.refusal_code) == (VolumeState.INGESTING, None)
    assert repaired.source_sha256 == received.source_sha256 != failed.source_sha256
    with database.read() as session:
        assert session.scalars(sa.select(Job.state)).all() == [JobState.QUEUED]


def _without_orientation(path: Path) -> Path:
    """The file with sform and qform codes 0, so that it does not say how it lies."""
    content = bytearray(_uncompressed(path))
    content[252:256] = bytes(4)
    bare = path.with_name("bare.nii")
    bare.write_bytes(content)
    return bare


def test_an_assumed_orientation_is_recorded_only_where_something_was_assumed(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    said = _ct(tmp_path)
    bare = _without_orientation(_ct(tmp_path, seed=1, name="other.nii.gz"))
    clear = _add(database, place, receive(said, storage, assume_affine=True), name="clear")
    assumed = _add(database, place, receive(bare, storage, assume_affine=True), name="assumed")
    assert (clear.affine_assumed, assumed.affine_assumed) == (False, True)
    assert [notice["code"] for notice in assumed.notices if notice["code"] == "affine_assumed"]

    labels = _without_orientation(_labels(tmp_path, 1))
    received = receive_reference(labels, storage, volume=assumed, assume_affine=True)
    reference = _add_reference(database, place[0], assumed, received)
    assert reference.affine_assumed
    assert "affine_assumed" in {notice["code"] for notice in reference.notices}


def test_a_reference_whose_axes_run_another_way_is_matched_and_that_is_noted(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    volume = _add(database, place, receive(_ct(tmp_path), storage))
    straight = receive_reference(_labels(tmp_path, 1), storage, volume=volume)
    assert straight.accepted is not None
    assert straight.accepted.notices == ()
    labels = SimpleITK.ReadImage(str(tmp_path / "labels.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.Flip(labels, [True, False, True]), str(tmp_path / "flipped.nii.gz"))
    flipped = receive_reference(tmp_path / "flipped.nii.gz", storage, volume=volume)
    reference = _add_reference(database, place[0], volume, flipped)
    assert [notice["code"] for notice in reference.notices] == ["axes_differ"]
    assert not reference.affine_assumed


def test_a_gate_that_breaks_down_is_not_the_files_fault(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _ct(tmp_path)
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no child process of ours starts like this
    with pytest.raises(CrowdmaskError) as broken:
        receive(path, storage)
    assert broken.value.code is ErrorCode.INTERNAL


def test_a_recorded_pack_makes_the_volume_ready_and_recording_twice_changes_nothing(
    database: Database, storage: LocalStorage, place: tuple[Actor, UUID], tmp_path: Path
) -> None:
    volume = _add(database, place, receive(_ct(tmp_path), storage))
    image = nifti.read_volume(tmp_path / "ct.nii.gz")
    summary = write_pack(tmp_path / "ct.pack", image.voxels)
    for _ in range(2):
        with database.write() as session:
            service.record_pack(session, volume_id=volume.id, summary=summary)
    with database.read() as session:
        ready = session.get_one(Volume, volume.id)
    assert ready.state is VolumeState.READY
    assert ready.pack_sha256 == summary.sha256
    assert ready.finite_minimum == image.voxels.min()
