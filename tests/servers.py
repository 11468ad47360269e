"""The servers that tests use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from crowdmask.core.ids import new_id


class PostgresqlServer:
    """Makes and drops databases on the server at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._engine = sa.create_engine(
            self._url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2}
        )
        self._engines: dict[str, sa.Engine] = {}

    def answers(self) -> bool:
        try:
            with self._engine.connect():
                return True
        except OperationalError:
            return False

    def url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def temporary_database(self, *, template: str = "template0") -> Iterator[str]:
        """The name of a new copy of ``template``, dropped at the end whoever is still connected."""
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"crowdmask_test_{worker}_{os.getpid()}_{new_id().hex}"
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            # A test's rows need not outlive the computer, so nobody waits until they are on the disk.
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        try:
            yield name
        finally:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def empty(self, name: str) -> None:
        """Delete all rows of a migrated database, and the tables that a test made; whoever is connected is cut off.
        Its revision is the newest one again.

        Much quicker than a new database: that copies files, and dropping one waits for the disk.
        """
        from crowdmask.models import Base

        others = f"pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        with self._engine_of(name).connect() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM {others}")
            present = connection.exec_driver_sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            known = {*Base.metadata.tables, "alembic_version"}
            # One message: a test has more to do than to wait for fifty answers.
            connection.exec_driver_sql(
                ";".join(
                    [
                        "BEGIN",
                        *(f'DROP TABLE "{table}" CASCADE' for table in set(present.scalars()) - known),
                        *(f'DELETE FROM "{table.name}"' for table in reversed(Base.metadata.sorted_tables)),
                        f"UPDATE alembic_version SET version_num = '{_newest_revision()}'",
                        "COMMIT",
                    ]
                )
            )

    def _engine_of(self, name: str) -> sa.Engine:
        """One connection for all tests, made again when a test cut it: making one takes longer than what it is for."""
        if name not in self._engines:
            self._engines[name] = sa.create_engine(
                self.url_of(name), isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True
            )
        return self._engines[name]


@cache
def _newest_revision() -> str:
    from alembic.script import ScriptDirectory

    from crowdmask.infra.migrate import config

    newest = ScriptDirectory.from_config(config()).get_current_head()
    assert newest is not None
    return newest
