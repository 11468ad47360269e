"""Fault 47 and the end of fault 22: what a killed process leaves, and all else that no row needs, goes after a day, and
nothing else does."""

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from crowdmask import collection, jobs
from crowdmask.collection import UNNEEDED_S, Collected, collect, collect_forever, marked_columns
from crowdmask.core import nifti
from crowdmask.core.dataset_choice import PartialRule
from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.ids import new_id
from crowdmask.infra.alone import alone
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Account,
    Base,
    DerivedMask,
    Evaluation,
    GuidePicture,
    Job,
    Project,
    Queue,
    ReferenceMask,
    Segmentation,
    Training,
    TrainingScore,
)
from crowdmask.projects.pictures import add_picture, delete_picture
from crowdmask.segmentations.service import record_mask
from crowdmask.volumes import service as volumes
from tests import factories
from tests.api.exports.chosen import GRID, Place, whole
from tests.api.exports.conftest import place
from tests.api.volumes.ready import add_ready_volume
from tests.jobs.workers import environment
from tests.waiting import eventually

__all__ = ["place"]

# Columns that name a blob and need none: what a mask was made of, and jobs that are over.
MENTIONS = {"segmentation.provenance"}
DAY_S = UNNEEDED_S + 60


def age(*paths: Path, seconds: float = DAY_S) -> None:
    """As if nobody had touched them for that long."""
    for path in paths:
        changed = path.lstat().st_mtime - seconds
        os.utime(path, (changed, changed))


def a_day_later(storage: LocalStorage) -> None:
    age(*storage.root.glob("??/*"), *(storage.root / "unneeded").glob("*"))


def collected_in_the_end(place: Place, settings: Settings) -> Collected:
    """What goes when nobody does anything for two days."""
    for _ in range(2):
        a_day_later(place.storage)
        done = collect(place.database, place.storage, settings)
    return done


def replaced(place: Place, segmentation_id: UUID) -> tuple[str, str]:
    """Have a mask made anew and differently; the keys of the one before and of the new one."""
    with place.database.write() as session:
        made = session.get_one(Segmentation, segmentation_id)
        before, after = made.mask_sha256, place.storage.put_bytes(new_id().bytes)
        record_mask(
            session,
            job_id=made.job_id,
            annotation_id=made.annotation_id,
            revision=made.revision,
            model=made.model,
            mask_sha256=after,
            provenance=made.provenance,
            seconds=1.0,
            uncertainty_sha256=made.uncertainty_sha256,
        )
    return before, after


def picture(place: Place) -> str:
    drawn = io.BytesIO()
    Image.effect_noise((20, 30), 100.0).save(drawn, "PNG")
    path = place.folder / "guide.png"
    path.write_bytes(drawn.getvalue())
    added = add_picture(
        place.database, place.storage, place.admin, project_id=place.project.id, index=1, path=path
    )
    with place.database.read() as session:
        return session.get_one(GuidePicture, added.id).picture_sha256


def with_every_kind(place: Place) -> None:
    """Blobs of every kind, several of them needed in one place alone."""
    picture(place)
    whole(place, "one", reference=True)
    place.work(place.volume("two"), 1, submitted=False)
    with place.database.write() as session:
        add_ready_volume(session, place.admin, place.storage, place.folder, project_id=place.project.id)
    unfinished = place.export(unfinished=True, partial=PartialRule.IGNORE)
    assert place.make_masks() > 0
    with place.database.write() as session:
        masks = session.scalars(sa.select(Segmentation).order_by(Segmentation.id)).all()
        reference = session.scalars(sa.select(ReferenceMask)).one()
        made = session.scalars(sa.select(DerivedMask)).first()
        assert made is not None
        made.uncertainty_sha256 = place.storage.put_bytes(b"how sure of a derived mask")
        for number, mask in enumerate(masks):
            mask.uncertainty_sha256 = place.storage.put_bytes(b"how sure %d" % number)
        session.add(
            Evaluation(
                segmentation_id=masks[0].id,
                mask_sha256=masks[0].mask_sha256,
                reference_id=reference.id,
                slices_predicted=3,
                slices_reference=3,
            )
        )
        training = Training(
            project_id=place.project.id,
            export_id=unfinished.id,
            name="Test",
            settings={},
            created_by=place.admin.account_id,
        )
        session.add(training)
        session.flush()
        session.add(
            TrainingScore(
                training_id=training.id,
                case="one",
                volume_id=reference.volume_id,
                label_index=1,
                label_name="spleen",
                slices_predicted=3,
                slices_reference=3,
                prediction_sha256=place.storage.put_bytes(b"a prediction"),
            )
        )
    place.export()  # frozen with the masks as they are
    for mask in masks:
        _, key = replaced(place, mask.id)
    with place.database.write() as session:
        factories.add_job(session, payload={"masks": [key, key], "affine_assumed": False})
    replaced(place, masks[-1].id)


def named(place: Place) -> dict[str, set[str]]:
    """Where in the database, whatever the collection believes, which of the stored keys stand."""
    stored = set(place.storage.stored())
    found: dict[str, set[str]] = {}
    with place.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                for text in session.scalars(sa.select(sa.cast(column, sa.Text())).where(column.is_not(None))):
                    keys = stored.intersection(re.findall(r"[0-9a-f]{64}", text))
                    if keys:
                        found.setdefault(str(column), set()).update(keys)
    return found


def test_fault_47_a_blob_of_any_kind_stays_as_long_as_any_row_names_it(
    place: Place, settings: Settings
) -> None:
    with_every_kind(place)
    where = named(place)
    marked = {str(column) for column in marked_columns()}
    assert where.keys() - MENTIONS == marked, (
        "each place that names a blob is one that the collection reads, and this test makes a blob for it"
    )
    needed = set().union(*where.values())
    orphan = place.storage.put_bytes(b"nobody's")
    done = collected_in_the_end(place, settings)
    assert (done.blobs, done.blob_bytes) == (1, len(b"nobody's"))
    assert set(place.storage.stored()) == needed
    assert orphan not in needed
    for key in needed:
        place.storage.verify(key)


KILLED = """
import os, sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID
from crowdmask.accounts.actor import Actor
from crowdmask.infra.db import Database
from crowdmask.infra.settings import load_settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.volumes import service
from crowdmask.volumes.intake import receive

settings = load_settings()
database, storage = Database(settings.database_url), LocalStorage(settings.blobs_dir)
upload = NamedTemporaryFile(dir=settings.work_dir, prefix="upload-")
upload.write(Path(sys.argv[1]).read_bytes())
upload.flush()
with database.write() as session:
    received = receive(Path(upload.name), storage, name="killed")
    service.add_volume(
        session, Actor(UUID(sys.argv[2])), project_id=UUID(sys.argv[3]), name="killed", received=received
    )
    session.flush()
    os.kill(os.getpid(), 9)
"""


def test_fault_47_what_a_process_killed_between_blob_and_row_leaves_is_gone_after_a_day(
    place: Place, settings: Settings
) -> None:
    """The blob, and the upload that was being received (fault 22)."""
    whole(place, "one", reference=True)
    before = set(place.storage.stored())
    path = place.folder / "killed.nii.gz"
    nifti.write_volume(path, np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape), GRID)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(place.admin.account_id), str(place.project.id)],
        env=environment(settings),
        check=False,
    )
    assert child.returncode == -9
    (orphan,) = set(place.storage.stored()) - before
    (upload,) = settings.work_dir.glob("upload-*")

    assert collect(place.database, place.storage, settings) == Collected(waiting=1)
    a_day_later(place.storage)
    age(upload)
    size = path.stat().st_size
    assert collect(place.database, place.storage, settings) == Collected(
        blobs=1, blob_bytes=size, leftovers=1, leftover_bytes=size
    )
    assert set(place.storage.stored()) == before
    assert not upload.exists()
    assert list((place.storage.root / "unneeded").iterdir()) == []
    assert orphan not in before


def test_fault_22_leftovers_of_uploads_writes_and_datasets_go_after_a_day_and_those_of_running_jobs_stay(
    place: Place, settings: Settings
) -> None:
    whole(place, "one")
    export = place.export()
    with place.database.write() as session:
        job = jobs.claim(session, [Queue.CPU], owner="worker", lease_s=60)
        while job is not None and job.payload.get("export_id") != str(export.id):
            jobs.complete(session, job)
            job = jobs.claim(session, [Queue.CPU], owner="worker", lease_s=60)
        assert job is not None

    def left(*parts: str) -> Path:
        path = settings.data_dir.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
        return path

    gone = [
        left("work", "upload-abc"),
        left("work", f"{new_id()}-abc", "made.nii.gz"),
        left("blobs", "incoming", "tmpabc"),
        left("exports", str(new_id()), ".partial-abc", "Dataset501_Set", "imagesTr", "one.nii.gz"),
    ]
    young = [left("work", "upload-new"), left("work", f"{new_id()}-new", "made.nii.gz")]
    running = [
        left("work", f"{job.id}-abc", "made.nii.gz"),
        left("exports", str(export.id), ".partial-abc", "Dataset501_Set", "one.nii.gz"),
    ]
    finished = left("exports", str(new_id()), "Dataset501_Set", "one.nii.gz")
    for path in (*gone, *running, finished):
        age(path, *(above for above in path.parents if above.is_relative_to(settings.data_dir)))
    age(young[1].parent)  # the folder has stood for long, the file in it is being written
    done = collect(place.database, place.storage, settings)
    assert (done.leftovers, done.leftover_bytes >= 40) == (4, True)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in [*young, *running, finished])
    assert not (settings.work_dir / gone[1].parent.name).exists()


def test_fault_47_what_is_put_again_before_its_row_is_committed_stays(
    place: Place, settings: Settings
) -> None:
    """An old file that nothing needs, about to go, is wanted again."""
    picture(place)
    orphan = place.storage.put_bytes(b"again")
    a_day_later(place.storage)
    assert collect(place.database, place.storage, settings).waiting == 1
    a_day_later(place.storage)
    with place.database.write() as session:
        assert place.storage.put_bytes(b"again") == orphan
        if (
            not place.database.is_sqlite
        ):  # where a pass would wait for nobody: the row is there and not to be seen
            factories.add_volume(session, session.get_one(Project, place.project.id), source_sha256=orphan)
        assert collect(place.database, place.storage, settings) == Collected(waiting=1)
        if place.database.is_sqlite:
            factories.add_volume(session, session.get_one(Project, place.project.id), source_sha256=orphan)
    assert place.storage.verify(orphan)
    assert collected_in_the_end(place, settings) == Collected()
    assert place.storage.verify(orphan)
    assert not (place.storage.root / "unneeded" / orphan).exists()


def test_what_loses_its_row_stays_for_a_day_however_old_it_is(place: Place, settings: Settings) -> None:
    """Who read the row just before it went can still read the file, and write its key into a row of its own."""
    key = picture(place)
    whole(place, "one")
    assert collected_in_the_end(place, settings) == Collected()
    with place.database.write() as session:
        delete_picture(session, place.admin, picture_id=session.scalars(sa.select(GuidePicture.id)).one())
    assert collect(place.database, place.storage, settings) == Collected(waiting=1)
    age(place.storage.root / "unneeded" / key, seconds=UNNEEDED_S - 60)
    assert collect(place.database, place.storage, settings) == Collected(waiting=1)
    age(place.storage.root / "unneeded" / key)
    assert collect(place.database, place.storage, settings).blobs == 1


def test_the_files_of_a_deleted_volume_and_of_a_replaced_mask_go(place: Place, settings: Settings) -> None:
    whole(place, "one")
    volume = place.volume("two", reference=True)
    with place.database.write() as session:
        mask_id = session.scalars(sa.select(Segmentation.id)).first()
        volumes.delete_volume(session, place.admin, volume_id=volume.id)
    assert mask_id is not None
    before, after = replaced(place, mask_id)
    done = collected_in_the_end(place, settings)
    assert done.blobs == 3, "image, reference, mask"
    assert before not in set(place.storage.stored())
    assert place.storage.verify(after)


def test_a_key_in_a_job_is_needed_until_the_job_is_done(place: Place, settings: Settings) -> None:
    picture(place)
    key = place.storage.put_bytes(b"compare me")
    with place.database.write() as session:
        factories.add_job(session, payload={"masks": [key], "affine_assumed": False})
    assert collected_in_the_end(place, settings) == Collected()
    with place.database.write() as session:
        job = jobs.claim(session, [Queue.CPU], owner="worker", lease_s=60)
        assert job is not None
        assert session.get_one(Job, job.id).payload["masks"] == [key]
        jobs.complete(session, job)
    assert collected_in_the_end(place, settings).blobs == 1


def test_the_blobs_of_one_database_are_not_collected_for_another(place: Place, settings: Settings) -> None:
    """A server that is started on an empty database, or on the wrong one, throws nothing away."""
    orphan = place.storage.put_bytes(b"nobody's")
    assert collected_in_the_end(place, settings) == Collected(), "no row has named one of the files yet"
    picture(place)
    assert collect(place.database, place.storage, settings) == Collected(waiting=1)
    with place.database.read() as session:
        accounts = set(session.scalars(sa.select(Account.id)))
    owner = place.storage.root / "collected"
    assert UUID(owner.read_text()) in accounts
    owner.write_text(str(new_id()))
    a_day_later(place.storage)
    with pytest.raises(Conflict, match="another database") as caught:
        collect(place.database, place.storage, settings)
    assert caught.value.code is ErrorCode.DATA_FOLDER_IN_USE
    assert place.storage.verify(orphan)
    owner.unlink()
    assert collect(place.database, place.storage, settings).blobs == 1


def test_it_runs_by_itself_once_an_hour_and_one_at_a_time(
    place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "EVERY_S", 0.1)  # also how long a pass must be past for the next one
    picture(place)
    place.storage.put_bytes(b"nobody's")
    collect(place.database, place.storage, settings)
    a_day_later(place.storage)
    n_stored = len(set(place.storage.stored()))
    stop = threading.Event()
    arguments = (place.database, place.storage, settings, stop)
    threads = [threading.Thread(target=collect_forever, args=arguments) for _ in range(3)]
    with alone(place.database, settings.data_dir, "collect") as mine:
        assert mine
        for thread in threads:
            thread.start()
        stop.wait(0.5)
        assert len(set(place.storage.stored())) == n_stored, "another process has the duty"
    eventually(lambda: len(set(place.storage.stored())) == n_stored - 1, "the pass of one of them")
    stop.set()
    for thread in threads:
        thread.join()


def test_a_pass_is_not_due_soon_after_another_one(place: Place, settings: Settings) -> None:
    picture(place)
    collect(place.database, place.storage, settings)
    place.storage.put_bytes(b"nobody's")
    stop = threading.Event()
    thread = threading.Thread(target=collect_forever, args=(place.database, place.storage, settings, stop))
    thread.start()
    stop.wait(0.3)
    stop.set()
    thread.join()
    assert list((place.storage.root / "unneeded").iterdir()) == []


def test_the_collection_outlives_a_database_that_is_away(settings: Settings, storage: LocalStorage) -> None:
    away = Database(f"sqlite:///{settings.data_dir}/no-such-folder/database.sqlite3")
    key = storage.put_bytes(b"kept")
    stop = threading.Event()
    thread = threading.Thread(target=collect_forever, args=(away, storage, settings, stop))
    thread.start()
    stop.wait(0.3)
    assert thread.is_alive()
    stop.set()
    thread.join()
    assert storage.verify(key)
