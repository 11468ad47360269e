"""The worker as a process: what it loads, how it starts without a broker, how it stops, and its watchdog."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from crowdmask.core.lifecycle import JobState
from crowdmask.infra.broker import make_app, ring
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.models import Queue
from crowdmask.supervise import LIFELINE_FD, Command, Supervisor
from tests.jobs.workers import (
    add,
    changed,
    environment,
    look_at,
    make_result_table,
    reconciler,
    results_of,
    worker,
)
from tests.waiting import eventually

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings)


def test_the_parent_process_loads_no_torch_no_handler_and_no_database_driver(settings: Settings) -> None:
    program = (
        "import sys, crowdmask_worker.__main__, crowdmask_worker.celery_app as c\n"
        "from crowdmask.infra.settings import Settings\n"
        "from crowdmask.models import Queue\n"
        "c.make_worker_app(Settings(), [Queue.CPU, Queue.GPU]).finalize()\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], env=environment(settings), capture_output=True, text=True, check=True
    ).stdout.split()
    assert "crowdmask_worker.celery_app" in loaded
    unwanted = ("torch", "openvino", "onnxruntime", "nibabel", "psycopg", "crowdmask_ml", "tests")
    assert [name for name in loaded if name.split(".")[0] in unwanted] == []
    assert "crowdmask_worker.handlers.segment" not in loaded


def test_an_unknown_queue_is_refused_with_exit_code_2(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crowdmask_worker", "--queues", "cpu,gup"],
        env=environment(settings),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "'cpu,gup'" in done.stderr


@on_sqlite
def test_a_worker_hears_the_bell_and_does_all_due_work(database: Database, settings: Settings) -> None:
    make_result_table(database)
    jobs = {add(database, key=f"job-{number}") for number in range(3)}
    with worker(settings):
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: len(results_of(database)) == 3, "three results")
    assert {job_id for job_id, _ in results_of(database)} == jobs


@on_sqlite
def test_a_stopping_worker_gives_its_job_back_and_ends(database: Database, settings: Settings) -> None:
    settings = changed(settings, lease_s=120.0, soft_shutdown_s=0.5)
    job_id = add(database, {"seconds": 60.0})
    with worker(settings) as running:
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the job runs")
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: look_at(database, job_id).state is JobState.QUEUED, "the lease is returned")
        eventually(lambda: running.process.poll() is not None, "the worker has ended")
    row = look_at(database, job_id)
    assert (row.attempt, row.error_code) == (0, None)


@on_sqlite
def test_a_child_that_is_told_to_end_gives_its_job_back(database: Database, settings: Settings) -> None:
    settings = changed(settings, lease_s=120.0, heartbeat_s=30.0)
    job_id = add(database, {"seconds": 60.0})
    with worker(settings) as running:
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the job runs")
        running.signal_all(signal.SIGTERM)  # as a terminal or a service manager does: to the whole group
        eventually(lambda: look_at(database, job_id).state is JobState.QUEUED, "the lease is returned")
        eventually(lambda: running.process.poll() is not None, "the worker has ended")
    assert look_at(database, job_id).attempt == 0


@on_sqlite
def test_a_worker_waits_for_a_broker_that_is_down_at_the_start(
    database: Database, settings: Settings, redis_server_program: str, tmp_path: Path
) -> None:
    socket = tmp_path / "redis.sock"
    settings = changed(settings, broker_url=f"redis+socket://{socket}")
    make_result_table(database)
    add(database)
    with worker(settings) as running, reconciler(database, settings):
        eventually(lambda: b"Trying again" in running.log.read_bytes(), "the worker has met no broker")
        assert running.process.poll() is None
        redis_server = subprocess.Popen(
            [redis_server_program, "--port", "0", "--unixsocket", str(socket), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: len(results_of(database)) == 1, "the job is done")
        finally:
            redis_server.terminate()
            redis_server.wait()


SUPERVISING = """
import sys, time
from pathlib import Path
from crowdmask.supervise import Command, Supervisor
with Supervisor([Command("worker", [sys.executable, "-m", "crowdmask_worker"])]) as supervisor:
    Path(sys.argv[1]).write_text(str(supervisor.pids()["worker"]))
    time.sleep(600)
"""


@on_sqlite
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ends_with_its_supervisor_however_that_ends(
    database: Database, settings: Settings, number: signal.Signals
) -> None:
    settings = changed(settings, lease_s=600.0, heartbeat_s=30.0, soft_shutdown_s=0.3)
    job_id = add(database, {"until": str(settings.work_dir / "never")})
    note = settings.data_dir / "worker.pid"
    with (settings.data_dir / "worker.log").open("wb") as log:
        supervising = subprocess.Popen(
            [sys.executable, "-c", SUPERVISING, str(note)], env=environment(settings), stdout=log, stderr=log
        )
    try:
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: look_at(database, job_id).state is JobState.RUNNING, "the worker works")
    finally:
        supervising.send_signal(number)
        supervising.wait()
    worker_pid = int(note.read_text())
    eventually(lambda: not group_exists(worker_pid), "the worker and its child are gone")
    row = look_at(database, job_id)
    assert (row.state, row.attempt) == (JobState.QUEUED, 0), "the job was given back"


def group_exists(pid: int) -> bool:
    """Whether a process of the group that ``pid`` leads runs; one that only waits to be reaped does not."""
    states = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if int(group) == pid:
            states.append(state)
    return any(state != "Z" for state in states)


def test_a_worker_that_does_not_hear_sigterm_is_killed_after_the_grace() -> None:
    program = (
        "import signal, time; from crowdmask_worker.lifeline import end_with_supervisor\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\n"
        "end_with_supervisor(grace_s=0.2)\n"
        "while True: time.sleep(600)\n"
    )
    reading, writing = os.pipe()
    stubborn = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {LIFELINE_FD: str(reading)},
        stdout=subprocess.PIPE,
        start_new_session=True,
        pass_fds=[reading],
    )
    os.close(reading)
    os.close(writing)
    assert stubborn.communicate()[0] == b"heard\n"
    assert stubborn.returncode == -signal.SIGKILL


def test_a_worker_refuses_a_database_of_a_newer_version(database: Database, settings: Settings) -> None:
    """Fault 47."""
    with database.write() as session:
        session.execute(sa.text("update alembic_version set version_num = '9999'"))
    done = subprocess.run(
        [sys.executable, "-m", "crowdmask_worker"], env=environment(settings), capture_output=True, text=True
    )
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("crowdmask_worker: The database has the schema 9999")


@on_sqlite
def test_a_worker_waits_for_a_database_that_is_away_at_the_start(
    database: Database, settings: Settings, database_folder: Path
) -> None:
    make_result_table(database)
    job_id = add(database)
    path = database_folder / "database"
    away = path.rename(path.with_name("away"))
    with worker(settings) as running:
        eventually(lambda: b"database_away" in running.log.read_bytes(), "the worker has met no database")
        away.rename(path)
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: results_of(database) == [(job_id, 1)], "the job is done")


@on_sqlite
def test_a_deaf_worker_ends_and_its_successor_does_the_work(database: Database, settings: Settings) -> None:
    """Fault 41: nobody rings here, which is what a worker silent after a reconnect would hear."""
    settings = changed(settings, watchdog_s=1.0)
    make_result_table(database)
    job_id = add(database)
    command = Command("worker", [sys.executable, "-m", "crowdmask_worker"], environment(settings))
    with (
        (settings.data_dir / "worker.log").open("wb") as log,
        Supervisor([command], output=log) as supervisor,
    ):
        first = supervisor.pids()["worker"]
        eventually(lambda: supervisor.pids().get("worker", first) != first, "a new worker")
        assert look_at(database, job_id).state is JobState.QUEUED
        ring(make_app(settings), Queue.CPU)
        eventually(lambda: results_of(database) == [(job_id, 1)], "the job is done")
