"""Fixtures that every test may ask for."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from crowdmask.infra.db import Database
    from crowdmask.infra.settings import Settings
    from crowdmask.infra.storage import LocalStorage
    from tests.servers import PostgresqlServer

REDIS_DATABASES = range(8, 16)

# Otherwise as it would be: no test has a time limit, and an example takes longer than 0.2 s on a busy computer.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")


def missing(what: str) -> None:
    """Skip, with the reason; in CI a missing server or folder is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {what}")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of real sample data."""
    given = os.environ.get("CROWDMASK_SAMPLE_DATA")
    if given:
        folder = Path(given)
    else:
        top = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        folder = Path(top) / ".." / "shared" / "data"
    if not (folder / "abdomen_ct" / "image.nii.gz").is_file():
        missing("the sample data (set CROWDMASK_SAMPLE_DATA to its folder)")
    return folder.resolve()


@pytest.fixture
def without_nnunet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets are written as by a worker that has no nnU-Net: its check, which loads torch each time, is left out."""
    monkeypatch.setattr("crowdmask_worker.handlers.export.verify_integrity", lambda _folder: False)


@pytest.fixture
def hang_up_is_heard() -> Iterator[None]:
    """For tests that send a hang-up to a child: under nohup it would be ignored, by the child as well."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


# The database is real and built by the migrations, once per run and kind. A test gets its own copy of the SQLite file,
# or the PostgreSQL database emptied by the test before.
# What needs server packages is imported inside: the core is tested without them as well.


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file. Copy it, do not use it."""
    from crowdmask.infra.migrate import upgrade

    path = tmp_path_factory.mktemp("migrated") / "crowdmask.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> "PostgresqlServer":
    """The PostgreSQL server of the tests, CROWDMASK_TEST_POSTGRES."""
    from tests.servers import PostgresqlServer

    server = PostgresqlServer(
        os.environ.get("CROWDMASK_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
    )
    if not server.answers():
        missing("a PostgreSQL server (set CROWDMASK_TEST_POSTGRES to its address)")
    return server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: "PostgresqlServer") -> Iterator[str]:
    """The name of a migrated, empty PostgreSQL database; who uses it empties it again."""
    from crowdmask.infra.migrate import upgrade

    with postgresql_server.temporary_database() as name:
        upgrade(postgresql_server.url_of(name))
        yield name


@pytest.fixture(scope="session")
def database_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the SQLite file of each test lies: in memory where the system has a folder for that, so that nobody waits until
    the rows of a test are on the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("databases")
    else:
        with tempfile.TemporaryDirectory(dir=memory, prefix="crowdmask-test-") as folder:
            yield Path(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own; each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = database_folder / "database" / "crowdmask.sqlite3"
        path.parent.mkdir()
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        shutil.rmtree(path.parent, ignore_errors=True)  # a test may have taken it away
    else:
        server = request.getfixturevalue("postgresql_server")
        name = request.getfixturevalue("migrated_postgresql")
        yield server.url_of(name)
        server.empty(name)


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables; say which kind with ``parametrize(..., indirect=True)``."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    else:
        server = request.getfixturevalue("postgresql_server")
        with server.temporary_database() as name:
            yield server.url_of(name)


@pytest.fixture(scope="session")
def _opened() -> dict[str, "Database"]:
    """By URL. One test after the other uses the same, each on a database of its own: statements are compiled once."""
    return {}


@pytest.fixture
def database(database_url: str, _opened: dict[str, "Database"]) -> Iterator["Database"]:
    """A migrated, empty database of this test's own."""
    from crowdmask.infra.db import Database

    if database_url not in _opened:
        _opened[database_url] = Database(database_url)
    yield _opened[database_url]
    _opened[database_url].close()


@pytest.fixture(scope="session")
def redis_database() -> Iterator[str]:
    """The URL of a Redis database that no other run of the tests uses meanwhile."""
    import redis
    from filelock import FileLock, Timeout

    server = os.environ.get("CROWDMASK_TEST_REDIS", "redis://127.0.0.1:6379")
    try:
        redis.Redis.from_url(server, socket_connect_timeout=1).ping()
    except (redis.ConnectionError, redis.TimeoutError):
        missing("a Redis server (set CROWDMASK_TEST_REDIS to its address)")
    with contextlib.ExitStack() as stack:
        for number in REDIS_DATABASES:
            lock = FileLock(Path(tempfile.gettempdir()) / f"crowdmask-test-redis-{number}.lock", timeout=0)
            try:
                stack.enter_context(lock)
            except Timeout:
                continue
            yield f"{server}/{number}"
            return
        pytest.fail(f"all test databases of {server} are in use")


@pytest.fixture(scope="session")
def redis_server_program() -> str:
    """The program that a test starts as a Redis server of its own."""
    program = shutil.which("redis-server")
    if program is None:
        missing("the program redis-server")
    return str(program)


@pytest.fixture
def redis_url(redis_database: str) -> Iterator[str]:
    """The URL of an empty Redis database of this test's own."""
    import redis

    client = redis.Redis.from_url(redis_database)
    client.flushdb()
    yield redis_database
    client.flushdb()
    client.close()


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Settings":
    """Settings of a new data folder with short times; of this test's database, if it asks for one."""
    from crowdmask.infra.settings import EMBEDDED_BROKER, Settings

    for name in os.environ:
        if name.startswith("CROWDMASK_") and name.lower().removeprefix("crowdmask_") in Settings.model_fields:
            monkeypatch.delenv(name)
    data_dir = tmp_path / "data"
    asks_for_database = "database_url" in request.fixturenames
    made = Settings.for_folder(
        data_dir,
        database_url=(
            request.getfixturevalue("database_url")
            if asks_for_database
            else f"sqlite:///{data_dir}/crowdmask.sqlite3"
        ),
        broker_url=EMBEDDED_BROKER,
        lease_s=3.0,
        heartbeat_s=0.5,
        ring_again_s=2.0,
        backoff_base_s=0.1,
        backoff_max_s=0.5,
        soft_shutdown_s=1.0,
    )
    made.make_folders()
    return made


@pytest.fixture
def storage(settings: "Settings") -> "LocalStorage":
    from crowdmask.infra.storage import LocalStorage

    return LocalStorage(settings.blobs_dir)
