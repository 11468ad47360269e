"""Asking for jobs, and the states they go through."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound, Unavailable
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import JobState
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.jobs import (
    ClaimedJob,
    cancel,
    claim,
    complete,
    enqueue,
    fail,
    heartbeat,
    overdue,
    release,
    retry,
)
from crowdmask.models import Job, JobKind, Queue
from tests.jobs.workers import add, changed, look_at

BOTH = [Queue.CPU, Queue.GPU]


def take(database: Database, *, owner: str = "ada", queues: list[Queue] = BOTH) -> ClaimedJob | None:
    with database.write() as session:
        return claim(session, queues, owner=owner, lease_s=30)


def taken(database: Database, *, owner: str = "ada") -> ClaimedJob:
    job = take(database, owner=owner)
    assert job is not None
    return job


def make_due(database: Database, job_id: UUID) -> None:
    with database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(not_before=None))


def test_a_new_job_is_queued_and_due(database: Database) -> None:
    job = look_at(database, add(database, {"volume_id": "v"}))
    assert (job.state, job.attempt, job.fence, job.payload) == (JobState.QUEUED, 0, 0, {"volume_id": "v"})


def test_the_same_key_gives_the_row_that_exists(database: Database) -> None:
    first = add(database, {"revision": 1}, key="segment:a:1")
    assert add(database, {"revision": 2}, key="segment:a:1") == first
    assert look_at(database, first).payload == {"revision": 1}


def test_a_job_disappears_with_the_transaction_of_its_cause(database: Database) -> None:
    def cause_and_effect() -> None:
        with database.write() as session:
            enqueue(session, JobKind.INGEST, {}, idem_key="gone", queue=Queue.CPU)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cause_and_effect()
    assert take(database) is None


def test_the_best_job_is_claimed_first(database: Database) -> None:
    late = add(database, key="late", priority=5)
    first = add(database, key="first")
    second = add(database, key="second")
    urgent = add(database, key="urgent", priority=-1)
    assert [taken(database).id for _ in range(4)] == [urgent, first, second, late]
    assert take(database) is None


def test_only_jobs_of_the_asked_queues_are_claimed(database: Database) -> None:
    add(database, queue=Queue.TRAIN)
    assert take(database) is None
    assert take(database, queues=[Queue.TRAIN]) is not None


def test_a_claim_counts_the_attempt_and_raises_the_fence_before_the_work(database: Database) -> None:
    job_id = add(database)
    claimed = taken(database)
    row = look_at(database, job_id)
    assert (claimed.attempt, claimed.fence, claimed.owner) == (1, 1, "ada")
    assert (row.state, row.attempt, row.fence, row.lease_owner) == (JobState.RUNNING, 1, 1, "ada")


def test_many_workers_at_once_never_get_the_same_job(database: Database) -> None:
    wanted = {add(database, key=f"job-{number}") for number in range(30)}
    got: list[UUID] = []
    begin = threading.Barrier(8)

    def work(owner: str) -> None:
        begin.wait()
        while (job := take(database, owner=owner)) is not None:
            got.append(job.id)

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 30
    assert set(got) == wanted


def test_a_heartbeat_renews_the_lease_and_writes_the_progress(database: Database) -> None:
    job_id = add(database)
    job = taken(database)
    before = look_at(database, job_id).lease_until
    with database.write() as session:
        assert heartbeat(session, job, progress=0.4, lease_s=60) is False
    row = look_at(database, job_id)
    assert row.progress == 0.4
    assert before is not None
    assert row.lease_until is not None
    assert row.lease_until > before


def test_a_completed_job_has_no_lease_and_a_time_of_its_end(database: Database) -> None:
    job_id = add(database)
    job = taken(database)
    with database.write() as session:
        complete(session, job)
    row = look_at(database, job_id)
    assert (row.state, row.progress, row.lease_owner, row.lease_until) == (JobState.DONE, 1.0, None, None)
    assert row.finished_at is not None


@pytest.mark.parametrize(
    "end",
    [
        lambda session, job, _: heartbeat(session, job, progress=0.5, lease_s=30),
        lambda session, job, _: complete(session, job),
        lambda session, job, settings: fail(session, job, ZeroDivisionError(), settings=settings),
        lambda session, job, _: release(session, job),
    ],
    ids=["heartbeat", "complete", "fail", "release"],
)
def test_nobody_ends_or_renews_a_job_twice(
    database: Database, settings: Settings, end: Callable[[Session, ClaimedJob, Settings], object]
) -> None:
    add(database)
    job = taken(database)
    with database.write() as session:
        complete(session, job)
    with pytest.raises(Conflict) as refused, database.write() as session:
        end(session, job, settings)
    assert refused.value.code is ErrorCode.LEASE_LOST


def test_a_failed_attempt_waits_and_comes_back(database: Database, settings: Settings) -> None:
    job_id = add(database)
    job = taken(database)
    with database.write() as session:
        assert fail(session, job, ZeroDivisionError(), settings=settings) is JobState.QUEUED
    assert take(database) is None, "it waits for its back-off"
    row = look_at(database, job_id)
    assert row.error_code == "internal"
    assert row.not_before is not None
    make_due(database, job_id)
    again = taken(database)
    assert (again.attempt, again.fence) == (2, 2)


def test_the_wait_grows_with_the_attempts_up_to_its_bound(settings: Settings) -> None:
    from crowdmask.jobs.state import backoff_s

    grown = Settings(**settings.model_dump() | {"backoff_base_s": 2.0, "backoff_max_s": 300.0})
    assert [backoff_s(attempt, grown) for attempt in (1, 2, 5, 9)] == [2.0, 4.0, 32.0, 300.0]


def test_a_job_without_attempts_left_is_dead(database: Database, settings: Settings) -> None:
    job_id = add(database, max_attempts=2)
    for expected in (JobState.QUEUED, JobState.DEAD):
        make_due(database, job_id)
        job = taken(database)
        with database.write() as session:
            assert fail(session, job, ZeroDivisionError(), settings=settings) is expected


def test_a_job_without_a_number_of_its_own_has_as_many_attempts_as_the_settings_say(
    database: Database, settings: Settings
) -> None:
    job_id = add(database)
    for expected in (JobState.QUEUED, JobState.QUEUED, JobState.DEAD):
        make_due(database, job_id)
        job = taken(database)
        with database.write() as session:
            state = fail(session, job, ZeroDivisionError(), settings=changed(settings, max_attempts=3))
        assert state is expected


def test_an_error_that_no_retry_can_help_is_final_at_once(database: Database, settings: Settings) -> None:
    job_id = add(database)
    job = taken(database)
    error = InvalidInput(ErrorCode.NOT_NIFTI, "The file is not a NIfTI file.", hint="Send another.")
    with database.write() as session:
        assert fail(session, job, error, settings=settings) is JobState.DEAD
    row = look_at(database, job_id)
    assert (row.error_code, row.error_text) == ("not_nifti", "The file is not a NIfTI file. Send another.")


def test_what_is_missing_for_now_costs_no_attempt(database: Database, settings: Settings) -> None:
    job_id = add(database, max_attempts=1)
    job = taken(database)
    with database.write() as session:
        fail(session, job, Unavailable(ErrorCode.STORAGE_FULL, "The disk is full."), settings=settings)
    row = look_at(database, job_id)
    assert (row.state, row.attempt, row.error_code) == (JobState.QUEUED, 0, "storage_full")


def test_the_text_of_a_foreign_error_is_not_kept(database: Database, settings: Settings) -> None:
    job_id = add(database)
    job = taken(database)
    try:
        raise KeyError("patient-4711")
    except KeyError as error:
        with database.write() as session:
            fail(session, job, error, settings=settings)
    text = look_at(database, job_id).error_text
    assert text is not None
    assert text.startswith("KeyError in jobs/test_queue.py:")
    assert "4711" not in text


def test_a_released_job_is_due_at_once_with_its_attempt_back(database: Database) -> None:
    add(database)
    job = taken(database)
    with database.write() as session:
        release(session, job)
    again = taken(database)
    assert (again.attempt, again.fence) == (1, 2)


def test_a_queued_job_is_cancelled_at_once_and_twice_is_as_good(database: Database) -> None:
    job_id = add(database)
    for _ in range(2):
        with database.write() as session:
            assert cancel(session, job_id).state is JobState.CANCELLED
    assert take(database) is None


def test_a_running_job_hears_of_its_cancelling_and_its_result_is_refused(
    database: Database, settings: Settings
) -> None:
    job_id = add(database)
    job = taken(database)
    with database.write() as session:
        assert cancel(session, job_id).state is JobState.RUNNING
    with database.write() as session:
        assert heartbeat(session, job, progress=0.1, lease_s=30) is True
    with pytest.raises(Conflict) as refused, database.write() as session:
        complete(session, job)
    assert refused.value.code is ErrorCode.JOB_CANCELLED
    with database.write() as session:
        assert fail(session, job, refused.value, settings=settings) is JobState.CANCELLED


def test_a_finished_job_cannot_be_cancelled(database: Database) -> None:
    job_id = add(database)
    job = taken(database)
    with database.write() as session:
        complete(session, job)
    with pytest.raises(Conflict) as refused, database.write() as session:
        cancel(session, job_id)
    assert refused.value.code is ErrorCode.TRANSITION_INVALID


def test_a_retried_job_has_all_attempts_and_keeps_its_fence(database: Database, settings: Settings) -> None:
    job_id = add(database, max_attempts=1)
    job = taken(database)
    with database.write() as session:
        fail(session, job, ZeroDivisionError(), settings=settings)
    with database.write() as session:
        row = retry(session, job_id)
        assert (row.state, row.attempt, row.fence, row.error_code) == (JobState.QUEUED, 0, 1, None)
    assert taken(database).fence == 2


@pytest.mark.parametrize("running", [False, True])
def test_a_job_that_has_not_ended_cannot_be_retried(database: Database, running: bool) -> None:
    job_id = add(database)
    if running:
        taken(database)
    with pytest.raises(Conflict) as refused, database.write() as session:
        retry(session, job_id)
    assert refused.value.code is ErrorCode.TRANSITION_INVALID


@pytest.mark.parametrize("act", [cancel, retry])
def test_an_unknown_job_is_not_found(database: Database, act: Callable[[Session, UUID], Job]) -> None:
    with pytest.raises(NotFound), database.write() as session:
        act(session, new_id())


def test_a_job_is_overdue_when_it_waits_longer_than_allowed_since_it_was_due(database: Database) -> None:
    job_id = add(database)
    for not_before_s, expected in ((-61, True), (-50, False), (+50, False)):
        with database.write() as session:
            session.execute(sa.update(Job).where(Job.id == job_id).values(not_before=now(not_before_s)))
        with database.read() as session:
            assert overdue(session, BOTH, seconds=60) is expected
            assert overdue(session, [Queue.TRAIN], seconds=60) is False


@pytest.mark.parametrize(
    "columns",
    [{"state": JobState.RUNNING}, {"lease_owner": "ada"}, {"attempt": 6}, {"lease_until": now(30)}],
    ids=lambda columns: next(iter(columns)),
)
def test_the_database_itself_refuses_an_impossible_row(
    database: Database, columns: dict[str, object]
) -> None:
    job_id = add(database, max_attempts=5)
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(columns))
