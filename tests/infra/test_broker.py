"""The doorbell rings, and never holds up who rings it (fault 41, docs/faults.md)."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from crowdmask.infra.broker import LOOK, QUEUES, make_app, ring, worker_arguments
from crowdmask.infra.settings import Settings
from crowdmask.models import Queue


@pytest.fixture(params=["filesystem", pytest.param("redis", marks=pytest.mark.redis)])
def app(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Celery]:
    url = "filesystem://" if request.param == "filesystem" else request.getfixturevalue("redis_url")
    made = make_app(with_broker(settings, url))
    yield made
    made.close()


def with_broker(settings: Settings, url: str) -> Settings:
    return Settings(**settings.model_dump() | {"broker_url": url})


def hear(app: Celery, queue: str) -> object | None:
    """Take one message of ``queue``, as a worker would; the headers' task name, or None."""
    with app.connection_for_read() as connection:
        message = app.amqp.queues[queue](connection.default_channel).get()
        if message is None:
            return None
        message.ack()
        task: object = message.headers["task"]
        return task


def test_the_queues_are_those_of_the_job_table() -> None:
    assert tuple(Queue) == QUEUES


def test_a_bell_is_heard_once_and_only_in_its_queue(app: Celery) -> None:
    assert ring(app, Queue.GPU)
    assert hear(app, "cpu") is None
    assert hear(app, "train") is None
    assert hear(app, "gpu") == LOOK
    assert hear(app, "gpu") is None


def test_every_bell_of_many_threads_is_heard_once(app: Celery) -> None:
    n_bells = 60

    def listen(_: int) -> int:
        heard = 0
        while hear(app, "cpu"):
            heard += 1
        return heard

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: ring(app, "cpu"), range(n_bells)))
        assert sum(threads.map(listen, range(4))) == n_bells


def test_a_wiped_broker_carries_the_next_bell(app: Celery, request: pytest.FixtureRequest) -> None:
    ring(app, "cpu")
    if "filesystem" in request.node.name:
        folder = request.getfixturevalue("settings").broker_dir
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        assert hear(app, "cpu") is None
    else:
        import redis

        redis.Redis.from_url(request.getfixturevalue("redis_url")).flushdb()
        assert hear(app, "cpu") is None
    assert ring(app, "cpu")
    assert hear(app, "cpu") == LOOK


def test_a_listening_worker_hears_the_bells(app: Celery) -> None:
    heard = threading.Semaphore(0)

    @app.task(name=LOOK, shared=False)
    def look() -> None:
        heard.release()

    with start_worker(app, pool="solo", perform_ping_check=False, queues=["cpu"], shutdown_timeout=30):
        for _ in range(3):
            assert ring(app, "cpu")
        for _ in range(3):
            assert heard.acquire(timeout=30)


def test_ringing_a_server_that_is_not_there_returns_at_once(settings: Settings) -> None:
    app = make_app(with_broker(settings, "redis://127.0.0.1:1/0"))
    assert not ring(app, "cpu")  # with kombu's own retries it would go on for ever


def test_ringing_a_server_that_does_not_answer_gives_up(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_app(with_broker(settings, f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        assert not ring(app, "cpu")


def test_a_bell_carries_no_id(app: Celery) -> None:
    ring(app, "cpu")
    with app.connection_for_read() as connection:
        message = app.amqp.queues["cpu"](connection.default_channel).get()
        assert message is not None
        assert message.payload[:2] == [[], {}]


def test_the_worker_is_started_with_what_keeps_its_one_promise() -> None:
    arguments = worker_arguments(["cpu", "gpu"], "one")
    assert arguments[0] == "worker"
    assert {
        "--queues=cpu,gpu",
        "--hostname=one@%h",
        "--concurrency=1",
        "--without-gossip",
        "--without-mingle",
    } <= {*arguments}


def test_nothing_is_acknowledged_late_or_kept_as_a_result(settings: Settings) -> None:
    app = make_app(settings)
    assert app.conf.task_acks_late is False
    assert app.conf.task_ignore_result is True
    assert app.conf.worker_enable_remote_control is False
