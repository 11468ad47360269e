"""Sessions and the clock, on both databases (faults 32, 33, 42, 43, docs/faults.md)."""

import sqlite3
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import JobState
from crowdmask.infra import db
from crowdmask.infra.db import POOL_SIZE, Database, now
from crowdmask.models import Account, Job, Project
from tests.factories import add_account, add_job, add_project


def accounts(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Account)) or 0


def test_a_write_is_kept_when_its_block_ends(database: Database) -> None:
    with database.write() as session:
        add_account(session)
    assert accounts(database) == 1


def test_a_write_leaves_nothing_when_its_block_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        1 // (add_account(session).name == "")
    assert accounts(database) == 0


def test_a_read_session_refuses_to_change_anything(database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"readonly|read-only"), database.read() as session:
        add_account(session)
    with database.write() as session:  # also when the pool hands out the same connection
        add_account(session)
    assert accounts(database) == 1


def test_a_read_session_sees_one_state_from_its_first_statement_on(database: Database) -> None:
    count = sa.select(sa.func.count()).select_from(Account)
    with database.read() as session:
        assert session.scalar(count) == 0
        with database.write() as other:
            add_account(other)
        assert session.scalar(count) == 0
    assert accounts(database) == 1


def test_a_read_session_sees_nothing_of_a_half_written_change(database: Database) -> None:
    with database.write() as session:
        add_account(session)
        assert accounts(database) == 0
        add_account(session)
    assert accounts(database) == 2


def test_a_session_cannot_be_used_after_its_block(database: Database) -> None:
    with database.write() as session:
        pass
    with pytest.raises(InvalidRequestError, match="closed"):
        session.scalar(sa.select(1))


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Project(name="orphan", created_by=new_id()))


def test_parallel_reads_share_the_pool_and_none_fails(database: Database) -> None:
    n_readers = 3 * POOL_SIZE
    together = threading.Barrier(n_readers)

    def read(_: int) -> int:
        together.wait()
        with database.read() as session:
            first = session.scalar(sa.select(sa.func.count()).select_from(Account))
            second = session.scalar(sa.select(sa.func.count()).select_from(Project))
            return (first or 0) + (second or 0)

    with database.write() as session:
        add_project(session, add_account(session))
    with ThreadPoolExecutor(n_readers) as threads:
        assert list(threads.map(read, range(n_readers))) == [2] * n_readers


def test_parallel_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    with database.write() as session:
        job = add_job(session)

    def add(_: int) -> None:
        for _attempt in range(5):
            with database.write() as session:
                row = session.scalars(sa.select(Job).where(Job.id == job.id).with_for_update()).one()
                row.priority += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(8)))
    with database.read() as session:
        assert session.scalar(sa.select(Job.priority)) == 40


def test_a_writer_waits_for_another_that_is_at_work(database: Database) -> None:
    writing, done = threading.Event(), []

    def slow() -> None:
        with database.write() as session:
            add_account(session)
            session.execute(sa.update(Account).values(name="Bob"))
            writing.set()
            time.sleep(0.3)
            done.append("slow")

    thread = threading.Thread(target=slow)
    with database.write() as session:
        add_account(session)
    thread.start()
    writing.wait()
    with database.write() as session:
        session.execute(sa.update(Account).values(name="Cai"))
        done.append("second")
    thread.join()
    assert done == ["slow", "second"]


def test_a_database_that_stays_locked_is_unavailable(
    migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 43."""
    monkeypatch.setattr(db, "_BUSY_TIMEOUT_S", 0.1)
    path = tmp_path / "locked.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Unavailable) as caught, database.write() as session:
            add_account(session)
        assert caught.value.code is ErrorCode.DATABASE_BUSY
        assert accounts(database) == 0  # reading goes on
    finally:
        other.close()
    with database.write() as session:
        add_account(session)
    assert accounts(database) == 1
    database.close()


def test_a_pool_without_a_free_connection_is_unavailable(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    with database.read() as session:
        session.execute(sa.select(1))
        with pytest.raises(Unavailable) as caught, database.read() as second:
            second.execute(sa.select(1))
    assert caught.value.code is ErrorCode.DATABASE_BUSY
    database.close()


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.sqlite3", "postgresql+psycopg://nobody@127.0.0.1:1/none"]
)
def test_a_database_that_cannot_be_reached_is_unavailable(url: str) -> None:
    """Fault 42."""
    database = Database(url)
    for session_of in (database.read, database.write):
        with pytest.raises(Unavailable) as caught, session_of() as session:
            session.execute(sa.select(1))
        assert caught.value.code is ErrorCode.DATABASE_UNREACHABLE
    database.close()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
def test_a_connection_cut_in_the_middle_is_unavailable_and_the_next_session_works(database: Database) -> None:
    """Fault 42: what a restart of the server does to every connection."""
    administrator = Database(database.url, pool_size=1)

    def cut() -> None:
        with administrator.read() as session:
            session.execute(
                sa.text(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
            )

    def cut_in_the_middle() -> None:
        with database.write() as session:
            add_account(session)
            cut()
            add_account(session)

    with pytest.raises(Unavailable) as caught:
        cut_in_the_middle()
    assert caught.value.code is ErrorCode.DATABASE_UNREACHABLE
    assert accounts(database) == 0
    cut()  # now it is idle in the pool
    assert accounts(database) == 0
    administrator.close()


def test_a_full_disk_under_sqlite_is_storage_full_and_reading_goes_on(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    """Fault 45, with the limit that SQLite itself keeps."""
    path = tmp_path / "full.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{path}")

    def fill() -> None:
        with database.write() as session:
            pages = session.execute(sa.text("pragma page_count")).scalar_one()
            session.execute(sa.text(f"pragma max_page_count={pages + 1}"))
            for _ in range(1000):
                add_account(session, name="x" * 200)

    with pytest.raises(Unavailable) as caught:
        fill()
    assert caught.value.code is ErrorCode.STORAGE_FULL
    assert accounts(database) == 0
    database.close()


def test_a_file_that_is_no_database_is_corrupt_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "garbage.sqlite3"
    path.write_bytes(b"no database at all")
    database = Database(f"sqlite:///{path}")
    for session_of in (database.read, database.write):
        with pytest.raises(Corrupt, match="file is not a database") as caught, session_of() as session:
            session.execute(sa.select(1))
        assert caught.value.code is ErrorCode.DATABASE_CORRUPT
        assert str(path) in caught.value.message
    assert path.read_bytes() == b"no database at all"
    database.close()


def test_a_damaged_database_is_corrupt(migrated_sqlite: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    content = migrated_sqlite.read_bytes()
    page_size = int.from_bytes(content[16:18], "big")
    path.write_bytes(content[:page_size] + b"\xff" * (len(content) - page_size))
    database = Database(f"sqlite:///{path}")
    with pytest.raises(Corrupt, match="malformed") as caught:
        accounts(database)
    assert caught.value.code is ErrorCode.DATABASE_CORRUPT
    database.close()


def test_a_refused_statement_does_not_show_its_values(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.write() as session:
        add_job(session, payload={"patient": "secret"}, max_attempts=-1)
    shown = "".join(traceback.format_exception(caught.value))
    assert "ck_job_attempt_in_range" in shown
    assert "patient" not in shown.replace('{"patient": "secret"}', "")  # our own line, in the traceback


def test_not_a_number_is_no_json(database: Database) -> None:
    with pytest.raises(Exception, match="not JSON compliant"), database.write() as session:
        add_job(session, payload={"x": float("nan")})


def test_no_window_is_null_and_not_the_word_null(database: Database) -> None:
    with database.write() as session:
        project = add_project(session, add_account(session))
        project.window = None
        session.flush()
        found = session.scalar(
            sa.select(sa.func.count()).select_from(Project).where(Project.window.is_(None))
        )
    assert found == 1


# The clock


def test_now_is_an_aware_utc_time_close_to_ours(database: Database) -> None:
    with database.read() as session:
        told = session.scalars(sa.select(now())).one()
    assert told.tzinfo is UTC
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("seconds", [0.001, 1.5, 30, -30, 86_400 * 400, -86_400 * 400])
def test_now_moves_by_seconds_either_way(database: Database, seconds: float) -> None:
    with database.read() as session:
        early, late = session.execute(sa.select(now(), now(seconds))).one()
    assert abs((late - early).total_seconds() - seconds) < 1


def stored(database: Database, value: object) -> Job:
    with database.write() as session:
        job = add_job(session)
        job.not_before = value  # type: ignore[assignment]
        session.flush()
        session.refresh(job)
    return job


def test_a_stored_time_comes_back_as_it_was(database: Database) -> None:
    for microsecond in (0, 1, 123_000, 123_456, 999_999):
        moment = datetime(2026, 3, 29, 1, 30, 0, microsecond, tzinfo=UTC)
        assert stored(database, moment).not_before == moment


def test_a_time_of_another_zone_is_the_same_moment(database: Database) -> None:
    """Fault 33."""
    moment = datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))
    found = stored(database, moment).not_before
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="no time zone"):
        stored(database, datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))


def test_the_clocks_own_time_equals_itself_when_it_comes_back_through_python(database: Database) -> None:
    """On SQLite times are text: three digits from its clock and six from Python would never be equal."""
    job = stored(database, now())
    with database.read() as session:
        moment = job.not_before
        assert moment is not None
        for condition, expected in (
            (Job.not_before == moment, 1),
            (Job.not_before <= moment, 1),
            (Job.not_before >= moment, 1),
            (Job.not_before < moment, 0),
            (Job.not_before > moment, 0),
            (Job.not_before > moment - timedelta(microseconds=1), 1),
            (Job.not_before < moment + timedelta(microseconds=1), 1),
        ):
            assert session.scalar(sa.select(sa.func.count()).select_from(Job).where(condition)) == expected


def test_times_of_the_clock_and_of_python_sort_together(database: Database) -> None:
    with database.write() as session:
        start = session.scalars(sa.select(now())).one()
        jobs = [add_job(session) for _ in range(5)]
        jobs[0].not_before = now(-10)
        jobs[1].not_before = start - timedelta(seconds=5)
        jobs[2].not_before = now(5)
        jobs[3].not_before = start + timedelta(seconds=10, microseconds=1)
        jobs[4].not_before = now(3600)
        session.flush()
        in_order = session.scalars(sa.select(Job.id).order_by(Job.not_before)).all()
        past = session.scalars(
            sa.select(Job.id).where(Job.not_before <= now()).order_by(Job.not_before)
        ).all()
    assert in_order == [job.id for job in jobs]
    assert past == [job.id for job in jobs[:2]]


def test_every_row_gets_the_databases_time(database: Database) -> None:
    with database.write() as session:
        before = session.scalars(sa.select(now())).one()
        job = add_job(session)
        after = session.scalars(sa.select(now())).one()
    assert before <= job.created_at <= after
    assert job.state is JobState.QUEUED
