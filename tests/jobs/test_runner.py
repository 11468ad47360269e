"""The inside of a worker, in this process: claim, handle, complete."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from crowdmask.core.lifecycle import JobState
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.jobs import cancel
from crowdmask.models import JobKind, Queue
from tests.jobs.workers import (
    add,
    changed,
    look_at,
    make_result_table,
    reconcile_once,
    results_of,
    runner,
)
from tests.waiting import eventually

BOTH = [Queue.CPU, Queue.GPU]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, heartbeat_s=0.1, lease_s=4.0, backoff_base_s=60.0, backoff_max_s=60.0)


@pytest.fixture(autouse=True)
def result_table(database: Database) -> None:
    make_result_table(database)


def test_it_works_until_nothing_is_due(database: Database, storage: LocalStorage, settings: Settings) -> None:
    jobs = {
        add(database, key="a"),
        add(database, key="b", kind=JobKind.SEGMENT, queue=Queue.GPU),
        add(database, key="c", kind=JobKind.EXPORT),
    }
    add(database, key="other", queue=Queue.TRAIN)
    assert runner(database, storage, settings).drain(BOTH) == 3
    assert {job_id for job_id, _ in results_of(database)} == jobs
    assert all(look_at(database, job_id).state is JobState.DONE for job_id in jobs)


def test_a_failing_job_does_not_keep_the_others_from_running(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    stumbling = add(database, {"do": "stumble"}, key="a")
    refused = add(database, {"do": "refuse"}, key="b")
    waiting = add(database, {"do": "wait"}, key="c")
    fine = add(database, key="d")
    runner(database, storage, settings).drain(BOTH)
    states = [look_at(database, job_id).state for job_id in (stumbling, refused, waiting, fine)]
    assert states == [JobState.QUEUED, JobState.DEAD, JobState.QUEUED, JobState.DONE]
    assert "4711" not in (look_at(database, stumbling).error_text or "")


def test_an_effect_that_fails_leaves_nothing_behind(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    job_id = add(database, {"do": "break the effect"})
    runner(database, storage, settings).drain(BOTH)
    assert results_of(database) == []
    row = look_at(database, job_id)
    assert (row.state, row.error_code) == (JobState.QUEUED, "internal")


def test_a_job_longer_than_its_lease_is_kept_by_heartbeats_and_shows_its_progress(
    database: Database, storage: LocalStorage, settings: Settings, tmp_path: Path
) -> None:
    job_id = add(database, {"until": str(tmp_path / "until")})
    thread = threading.Thread(target=runner(database, storage, settings).drain, args=(BOTH,))
    thread.start()
    eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the job runs")
    first_lease = look_at(database, job_id).lease_until
    assert first_lease is not None
    seen = set()

    def first_lease_is_over() -> bool:
        assert reconcile_once(database, settings).expired == 0
        seen.add(look_at(database, job_id).progress)
        with database.read() as session:
            return session.scalars(sa.select(now(-1.0))).one() > first_lease

    eventually(first_lease_is_over, "the first lease would be over")
    (tmp_path / "until").touch()
    thread.join()
    assert len([progress for progress in seen if 0 < progress < 1]) >= 2
    assert results_of(database) == [(job_id, 1)]


def test_a_kind_without_a_handler_does_not_stop_the_worker(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    job_id = add(database)
    runner(database, storage, changed(settings, handlers="tests.jobs.no_such_package")).drain(BOTH)
    assert (look_at(database, job_id).error_text or "").startswith("ModuleNotFoundError")


def test_a_worker_that_has_to_stop_claims_nothing_more(
    database: Database, storage: LocalStorage, settings: Settings, tmp_path: Path
) -> None:
    first = add(database, {"until": str(tmp_path / "until")}, key="first")
    add(database, key="second")
    stopping = runner(database, storage, changed(settings, soft_shutdown_s=600.0))
    thread = threading.Thread(target=stopping.drain, args=(BOTH,))
    thread.start()
    eventually(lambda: look_at(database, first).state is JobState.RUNNING, "the first job runs")
    stopping.lifeline.cut()
    (tmp_path / "until").touch()
    thread.join()
    assert results_of(database) == [(first, 1)], "the running job may finish"


@pytest.mark.parametrize("do", ["work", "ignore the heartbeat"])
def test_a_job_that_cannot_finish_before_the_end_is_given_back_with_its_attempt(
    database: Database, storage: LocalStorage, settings: Settings, tmp_path: Path, do: str
) -> None:
    job_id = add(database, {"do": do, "until": str(tmp_path / "until")})
    stopping = runner(database, storage, changed(settings, soft_shutdown_s=0.2))
    thread = threading.Thread(target=stopping.drain, args=(BOTH,))
    thread.start()
    eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the job runs")
    stopping.lifeline.cut()
    eventually(lambda: look_at(database, job_id).state is JobState.QUEUED, "the lease is returned")
    assert look_at(database, job_id).attempt == 0
    (tmp_path / "until").touch()
    thread.join()
    assert results_of(database) == [], "a result that comes too late is refused"


def test_a_handler_that_ends_the_process_costs_an_attempt(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    """Fault 38: given back, it would come again without end."""
    job_id = add(database, {"do": "exit"}, max_attempts=2)
    working = runner(database, storage, changed(settings, backoff_base_s=0.01, backoff_max_s=0.01))
    with pytest.raises(SystemExit):
        working.drain(BOTH)
    row = look_at(database, job_id)
    assert (row.state, row.attempt, row.error_code) == (JobState.QUEUED, 1, "internal")
    assert (row.error_text or "").startswith("SystemExit in handlers/behaviour.py:")
    with pytest.raises(SystemExit):
        eventually(lambda: working.drain(BOTH) > 0, "the second attempt")
    assert look_at(database, job_id).state is JobState.DEAD


def test_a_job_whose_process_is_told_to_end_is_given_back_with_its_attempt(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    job_id = add(database, {"do": "exit"})
    stopping = runner(database, storage, changed(settings, heartbeat_s=30.0, lease_s=60.0))
    threading.Timer(0.2, stopping.lifeline.cut).start()  # the parent hears of it a little later than we do
    assert stopping.drain(BOTH) == 1
    row = look_at(database, job_id)
    assert (row.state, row.attempt, row.error_code) == (JobState.QUEUED, 0, None)


def test_a_cancelled_job_stops_at_its_next_report(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    job_id = add(database, {"until": str(settings.work_dir / "never")})
    thread = threading.Thread(target=runner(database, storage, settings).drain, args=(BOTH,))
    thread.start()
    eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the job runs")
    with database.write() as session:
        cancel(session, job_id)
    thread.join()
    assert look_at(database, job_id).state is JobState.CANCELLED
    assert results_of(database) == []


def test_a_work_file_is_gone_after_its_block(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    from crowdmask.jobs import claim
    from crowdmask_worker.context import JobContext

    add(database)
    with database.write() as session:
        job = claim(session, BOTH, owner="ada", lease_s=30)
    assert job is not None
    context = JobContext(job=job, database=database, storage=storage, settings=settings)
    with context.work_file(".nii.gz") as path:
        path.write_bytes(b"half")
        assert path.name.endswith(".nii.gz")
        assert path.is_relative_to(settings.work_dir)
    assert list(settings.work_dir.iterdir()) == []
