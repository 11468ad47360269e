"""The servers that tests use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

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
        from alembic.script import ScriptDirectory

        from crowdmask.infra.migrate import config
        from crowdmask.models import Base

        newest = ScriptDirectory.from_config(config()).get_current_head()
        with self._engine.connect() as connection:
            connection.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                {"name": name},
            )
        engine = sa.create_engine(self.url_of(name))
        with engine.begin() as connection:
            known = {*Base.metadata.tables, "alembic_version"}
            for table in set(sa.inspect(connection).get_table_names()) - known:
                connection.exec_driver_sql(f'DROP TABLE "{table}" CASCADE')
            for own in reversed(Base.metadata.sorted_tables):
                connection.execute(own.delete())
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest}
            )
        engine.dispose()
