"""Faults 36 to 41, 48, and 50 as far as jobs go (docs/faults.md): each test is named after what happens."""

import os
import signal
import threading
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.lifecycle import JobState
from crowdmask.infra.broker import make_app, ring
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.jobs import cancel, claim, complete, reconcile, retry
from crowdmask.models import Job, JobKind, Queue
from crowdmask_worker.runner import Runner
from tests.jobs.handlers.behaviour import results
from tests.jobs.workers import (
    add,
    changed,
    look_at,
    make_result_table,
    reconcile_once,
    reconciler,
    results_of,
    runner,
    worker,
)
from tests.waiting import eventually

BOTH = [Queue.CPU, Queue.GPU]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, lease_s=2.0, heartbeat_s=0.4, ring_again_s=1.0)


@pytest.fixture(autouse=True)
def result_table(database: Database) -> None:
    make_result_table(database)


def state_of(database: Database, job_id: UUID) -> JobState:
    return look_at(database, job_id).state


def child_of(pid: int) -> int:
    """The process in which the worker ``pid`` runs its jobs."""
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if int(after_name[1]) == pid:
            children.append(int(folder.name))
    assert len(children) == 1
    return children[0]


def result_of(database: Database, job_id: UUID) -> int:
    """The attempt that made the job's one result. On a busy computer a job may lose more leases than a test takes."""
    ((kept, attempt),) = results_of(database)
    assert kept == job_id
    return attempt


def expire(database: Database, job_id: UUID) -> None:
    with database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(lease_until=sa.text("'2000-01-01'")))


def test_fault_36_a_worker_killed_in_the_middle_of_a_job_costs_an_attempt_and_no_result(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = add(database, {"until": str(tmp_path / "until")})
    with reconciler(database, settings), worker(settings) as victim:
        eventually(lambda: state_of(database, job_id) is JobState.RUNNING, "the job runs")
        victim.kill()
        (tmp_path / "until").touch()
        victim.start()
        eventually(lambda: state_of(database, job_id) is JobState.DONE, "the job is done")
    assert result_of(database, job_id) >= 2


def test_fault_37_a_child_killed_for_its_memory_costs_an_attempt_and_the_worker_goes_on(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = add(database, {"until": str(tmp_path / "until")})
    with reconciler(database, settings), worker(settings) as victim:
        eventually(lambda: state_of(database, job_id) is JobState.RUNNING, "the job runs")
        os.kill(child_of(victim.process.pid), signal.SIGKILL)
        (tmp_path / "until").touch()
        eventually(lambda: state_of(database, job_id) is JobState.DONE, "the job is done")
        assert victim.process.poll() is None
    assert result_of(database, job_id) >= 2


def test_fault_37_a_job_that_always_fails_ends_dead_with_its_reason_and_can_be_retried(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    job_id = add(database, {"do": "stumble"})
    fine = add(database, key="fine")
    working = runner(database, storage, settings)
    eventually(
        lambda: working.drain(BOTH) >= 0 and state_of(database, job_id) is JobState.DEAD, "the job is dead"
    )
    row = look_at(database, job_id)
    assert (row.attempt, row.error_code) == (5, "internal")
    assert (row.error_text or "").startswith("ZeroDivisionError in handlers/behaviour.py:")
    assert results_of(database) == [(fine, 1)]
    with database.write() as session:
        assert retry(session, job_id).attempt == 0


def test_fault_38_a_poisoned_job_stops_at_its_last_attempt_and_the_others_go_on(
    database: Database, settings: Settings
) -> None:
    settings = changed(settings, lease_s=1.0, heartbeat_s=0.2)
    poisoned = add(database, {"do": "die"}, key="poisoned", priority=-1, max_attempts=3)
    others = {add(database, key=f"other-{number}") for number in range(3)}
    with reconciler(database, settings), worker(settings):
        eventually(lambda: state_of(database, poisoned) is JobState.DEAD, "the poisoned job is dead")
        eventually(lambda: len(results_of(database)) == 3, "the others are done")
    row = look_at(database, poisoned)
    assert (row.attempt, row.fence, row.error_code) == (3, 3, "worker_lost")
    assert {job_id for job_id, _ in results_of(database)} == others


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_fault_38_a_job_that_ends_its_process_by_itself_stops_at_its_last_attempt_too(
    database: Database, settings: Settings
) -> None:
    ending = add(database, {"do": "exit"}, key="ending", priority=-1, max_attempts=2)
    fine = add(database, key="fine")
    with reconciler(database, settings), worker(settings):
        eventually(lambda: state_of(database, ending) is JobState.DEAD, "the job is dead")
        eventually(lambda: state_of(database, fine) is JobState.DONE, "the other one is done")
    row = look_at(database, ending)
    assert row.attempt == 2
    assert (row.error_text or "").startswith("SystemExit")


def test_fault_39_a_message_delivered_twice_runs_the_job_once(
    database: Database, storage: LocalStorage, settings: Settings
) -> None:
    settings = changed(settings, lease_s=600.0)
    job_id = add(database, {"seconds": 0.5})
    made: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: made.append(one.drain(BOTH)))  # type: ignore[misc]
        for one in (runner(database, storage, settings, f"worker-{number}") for number in range(4))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 0, 0, 1]
    assert results_of(database) == [(job_id, 1)]


def test_fault_40_a_zombie_that_finishes_after_losing_its_lease_changes_nothing(
    database: Database, storage: LocalStorage, settings: Settings, tmp_path: Path
) -> None:
    job_id = add(database, {"do": "ignore the heartbeat", "until": str(tmp_path / "until")})
    sleepy = changed(settings, lease_s=600.0, heartbeat_s=300.0)
    zombie = threading.Thread(target=runner(database, storage, sleepy, "zombie").drain, args=(BOTH,))
    zombie.start()
    eventually(lambda: state_of(database, job_id) is JobState.RUNNING, "the zombie works")
    expire(database, job_id)
    assert reconcile_once(database, settings).expired == 1
    second = runner(database, storage, sleepy, "second")
    successor = threading.Thread(
        target=eventually, args=(lambda: second.drain(BOTH) == 1, "a second worker takes over")
    )
    successor.start()
    eventually(lambda: look_at(database, job_id).lease_owner == "second", "both work at it")
    (tmp_path / "until").touch()
    zombie.join()
    successor.join()
    assert results_of(database) == [(job_id, 2)]
    assert look_at(database, job_id).error_code is None


def test_fault_40_the_effect_of_a_lost_lease_is_rolled_back_whatever_comes_first(database: Database) -> None:
    job_id = add(database)
    with database.write() as session:
        zombie = claim(session, BOTH, owner="zombie", lease_s=30)
    assert zombie is not None
    with database.write() as session:
        session.execute(
            sa.update(Job).where(Job.id == job_id).values(fence=2, attempt=2, lease_owner="second")
        )

    def finish_late() -> None:
        with database.write() as session:
            session.execute(results.insert().values(job_id=job_id, attempt=zombie.attempt))
            complete(session, zombie)

    with pytest.raises(Conflict) as refused:
        finish_late()
    assert refused.value.code is ErrorCode.LEASE_LOST
    assert results_of(database) == []


def test_fault_41_a_job_is_accepted_at_once_while_the_broker_is_down_and_rung_for_when_it_is_back(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    down = make_app(changed(settings, broker_url=f"redis+socket://{tmp_path / 'nobody.sock'}"))
    job_id = add(database)  # publishes nothing, so there is nothing to wait for
    assert reconcile(database, lambda queue: ring(down, queue), settings).unreachable == (Queue.CPU,)
    assert state_of(database, job_id) is JobState.QUEUED
    back = make_app(settings)
    assert reconcile(database, lambda queue: ring(back, queue), settings).rung == (Queue.CPU,)


def test_fault_41_bells_that_a_wiped_broker_lost_are_rung_again(
    database: Database, settings: Settings
) -> None:
    job_id = add(database)
    app = make_app(settings)
    reconcile(database, lambda queue: ring(app, queue), settings)
    bells = list(settings.broker_dir.glob("*.msg"))
    assert len(bells) == 1
    bells[0].unlink()
    with reconciler(database, settings), worker(settings):
        eventually(lambda: state_of(database, job_id) is JobState.DONE, "the job is done")
    assert results_of(database) == [(job_id, 1)]


def test_fault_48_a_deploy_during_work_returns_the_lease_at_once_and_the_successor_finishes(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    settings = changed(settings, lease_s=600.0, soft_shutdown_s=0.3)
    job_id = add(database, {"until": str(tmp_path / "until")})
    with reconciler(database, settings), worker(settings) as before:
        eventually(lambda: state_of(database, job_id) is JobState.RUNNING, "the job runs")
        before.process.send_signal(signal.SIGTERM)
        with worker(settings):
            eventually(lambda: look_at(database, job_id).fence == 2, "the successor has it")
            (tmp_path / "until").touch()
            eventually(lambda: state_of(database, job_id) is JobState.DONE, "the successor is done")
    assert results_of(database) == [(job_id, 1)]
    assert look_at(database, job_id).fence == 2


def test_fault_50_the_result_of_a_job_cancelled_while_it_runs_is_discarded(
    database: Database, storage: LocalStorage, settings: Settings, tmp_path: Path
) -> None:
    payload = {"do": "ignore the heartbeat", "until": str(tmp_path / "until")}
    job_id = add(database, payload, kind=JobKind.SEGMENT)
    working: Runner = runner(database, storage, settings)
    thread = threading.Thread(target=working.drain, args=(BOTH,))
    thread.start()
    eventually(lambda: state_of(database, job_id) is JobState.RUNNING, "the job runs")
    with database.write() as session:
        cancel(session, job_id)
    (tmp_path / "until").touch()
    thread.join()
    assert state_of(database, job_id) is JobState.CANCELLED
    assert results_of(database) == []
