"""The reconciler: what it takes back, when it rings, and that it is alone."""

import threading

import pytest
import sqlalchemy as sa

from crowdmask.core.lifecycle import JobState
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.jobs import ClaimedJob, cancel, claim, reconcile, reconcile_forever
from crowdmask.models import Job, Queue
from tests.jobs.workers import add, changed, look_at, reconcile_once
from tests.waiting import eventually


class Bell:
    """Writes down who was rung for; a broken one says so, or raises as brokers do."""

    def __init__(self, *, answers: bool = True, error: Exception | None = None) -> None:
        self.rung: list[Queue] = []
        self.answers = answers
        self.error = error

    def __call__(self, queue: Queue) -> bool:
        self.rung.append(queue)
        if self.error is not None:
            raise self.error
        return self.answers


def lost_job(database: Database) -> ClaimedJob:
    """A claimed job whose lease has expired."""
    with database.write() as session:
        job = claim(session, [Queue.CPU], owner="gone", lease_s=-1)
        assert job is not None
        return job


def test_an_expired_lease_goes_back_with_the_reason(database: Database, settings: Settings) -> None:
    job_id = add(database)
    lost_job(database)
    assert reconcile_once(database, settings).expired == 1
    row = look_at(database, job_id)
    assert (row.state, row.attempt, row.lease_owner) == (JobState.QUEUED, 1, None)
    assert (row.error_code, row.error_text) == (
        "worker_lost",
        "The worker stopped answering in attempt 1 of 5.",
    )


def test_a_lease_that_is_renewed_is_left_alone(database: Database, settings: Settings) -> None:
    job_id = add(database)
    with database.write() as session:
        claim(session, [Queue.CPU], owner="alive", lease_s=30)
    assert reconcile_once(database, settings).expired == 0
    assert look_at(database, job_id).state is JobState.RUNNING


def test_the_last_expired_attempt_is_dead(database: Database, settings: Settings) -> None:
    job_id = add(database, max_attempts=1)
    lost_job(database)
    reconcile_once(database, settings)
    row = look_at(database, job_id)
    assert (row.state, row.error_code) == (JobState.DEAD, "worker_lost")


def test_an_expired_attempt_is_dead_when_the_settings_allow_no_more(
    database: Database, settings: Settings
) -> None:
    job_id = add(database)
    lost_job(database)
    reconcile_once(database, changed(settings, max_attempts=1))
    assert look_at(database, job_id).state is JobState.DEAD


def test_an_expired_job_that_nobody_wants_is_cancelled(database: Database, settings: Settings) -> None:
    job_id = add(database)
    lost_job(database)
    with database.write() as session:
        cancel(session, job_id)
    reconcile_once(database, settings)
    assert look_at(database, job_id).state is JobState.CANCELLED


def test_each_queue_with_due_jobs_is_rung_once(database: Database, settings: Settings) -> None:
    for number in range(3):
        add(database, key=f"cpu-{number}")
        add(database, key=f"gpu-{number}", queue=Queue.GPU)
    bell = Bell()
    assert reconcile(database, bell, settings).rung == (Queue.CPU, Queue.GPU)
    reconcile(database, bell, settings)
    assert bell.rung == [Queue.CPU, Queue.GPU]


def test_a_new_job_rings_although_an_older_one_has_rung(database: Database, settings: Settings) -> None:
    bell = Bell()
    for key in ("first", "second"):
        add(database, key=key)
        reconcile(database, bell, settings)
    assert bell.rung == [Queue.CPU, Queue.CPU]


def test_a_job_that_waits_for_its_back_off_does_not_ring(database: Database, settings: Settings) -> None:
    job_id = add(database)
    with database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(not_before=now(60)))
    bell = Bell()
    reconcile(database, bell, settings)
    assert bell.rung == []


def test_a_bell_that_nobody_answered_is_rung_again_after_a_while(
    database: Database, settings: Settings
) -> None:
    job_id = add(database)
    bell = Bell()
    reconcile(database, bell, settings)
    with database.write() as session:
        long_ago = now(-settings.ring_again_s)
        session.execute(sa.update(Job).where(Job.id == job_id).values(rung_at=long_ago))
    reconcile(database, bell, settings)
    assert bell.rung == [Queue.CPU, Queue.CPU]


@pytest.mark.parametrize(
    "broken", [Bell(answers=False), Bell(error=ConnectionResetError())], ids=["no", "raises"]
)
def test_a_broken_bell_is_rung_again_at_the_next_pass(
    database: Database, settings: Settings, broken: Bell
) -> None:
    add(database)
    assert reconcile(database, broken, settings).unreachable == (Queue.CPU,)
    assert reconcile(database, Bell(), settings).rung == (Queue.CPU,)


def test_the_bell_is_rung_outside_of_any_transaction(database: Database, settings: Settings) -> None:
    add(database)
    seen: list[JobState] = []

    def bell(_: Queue) -> bool:
        with database.write() as session:  # would wait for ever if the pass still held its own
            job = claim(session, [Queue.CPU], owner="quick", lease_s=30)
            assert job is not None
            seen.append(session.get_one(Job, job.id).state)
        return True

    reconcile(database, bell, settings)
    assert seen == [JobState.RUNNING]


def test_two_reconcilers_take_turns(database: Database, settings: Settings) -> None:
    stop = threading.Event()
    inside = threading.Lock()
    overlaps: list[Queue] = []
    rung: list[Queue] = []

    def bell(queue: Queue) -> bool:
        if not inside.acquire(blocking=False):
            overlaps.append(queue)
            return False
        stop.wait(0.05)
        rung.append(queue)
        inside.release()
        return True

    threads = [
        threading.Thread(target=reconcile_forever, args=(database, bell, settings, stop)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            add(database, key=f"job-{number}")
            eventually(lambda done=number: len(rung) > done, "the bell")  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert overlaps == []


def test_the_reconciler_outlives_a_database_that_is_away(settings: Settings) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    stop = threading.Event()
    thread = threading.Thread(target=reconcile_forever, args=(away, Bell(), settings, stop))
    thread.start()
    thread.join(timeout=1.5)
    assert thread.is_alive()
    stop.set()
    thread.join()
    away.close()
