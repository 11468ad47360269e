"""The database: engine, the two kinds of sessions, and its clock.

``read()`` gives a session for looking, ``write()`` one for changing: on SQLite a write begins with
``BEGIN IMMEDIATE``, so two writers wait for each other instead of failing half-way. A read session sees one state of
the database from its first statement to its end, and refuses to change anything. A write session commits when its
block ends without an error, and only then.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable

POOL_SIZE = (
    40  # at least the number of threads that serve requests: with fewer, parallel reads starve each other
)
_BUSY_TIMEOUT_S = 15
_CONNECT_TIMEOUT_S = 5
# PostgreSQL's codes: lock not available, deadlock, serialization failure, too many connections; then disk full.
_BUSY_STATES = frozenset({"55P03", "40P01", "40001", "53300"})
_DISK_FULL_STATE = "53100"
_SQLITE_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database (SQLite keeps none of its own)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"The time {value.isoformat()} has no time zone; times are stored in UTC.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class now(FunctionElement[datetime]):  # noqa: N801  reads as the SQL function that it is
    """The database's current time, ``plus_seconds`` later. The only clock of leases and rows."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, plus_seconds: float = 0.0) -> None:
        super().__init__(sa.literal(float(plus_seconds), sa.Float()))


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    # Stored times have six digits and are compared as text; SQLite's clock has three.
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%+.3f seconds', {seconds})) || '000')"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


class Database:
    """One database and its connection pool.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///path`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._name = parsed.database or ""
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_pre_ping": not self.is_sqlite,
            "hide_parameters": True,  # they hold names and boxes, which do not belong into logs
            # NaN is not JSON: PostgreSQL would refuse what SQLite keeps.
            "json_serializer": partial(
                json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":")
            ),
        }
        if self.is_sqlite:
            options["connect_args"] = {
                "isolation_level": None,  # we begin ourselves, see _begin_sqlite
                "timeout": _BUSY_TIMEOUT_S,
                "check_same_thread": False,
            }
            options["poolclass"] = sa.QueuePool
        else:
            options["connect_args"] = {"connect_timeout": _CONNECT_TIMEOUT_S}
        self.engine = sa.create_engine(parsed, **options)
        event.listen(self.engine, "handle_error", _hide_values)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reading = self.engine
        else:
            self._reading = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._writing = self.engine.execution_options(crowdmask_write=True)

    @property
    def url(self) -> str:
        """The whole URL, with its password: to open the same database in another process."""
        return self.engine.url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for looking: one state of the database throughout; changing it is an error.

        Raises:
            Corrupt: ``database_corrupt``.
            Unavailable: ``database_busy``, ``database_unreachable``.
        """
        with _said_our_way(self._name), self._session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session for changing; committed at the end of the block, rolled back on an error.

        Raises:
            Corrupt: ``database_corrupt``.
            Unavailable: ``database_busy`` when another writer kept the database for too long,
                ``database_unreachable``, ``storage_full``.
        """
        with _said_our_way(self._name), self._session(self._writing) as session, session.begin():
            yield session

    @staticmethod
    def _session(engine: sa.Engine) -> Session:
        # A session used after its block would begin again, outside of any transaction of ours: that is an error.
        return Session(engine, expire_on_commit=False, close_resets_only=False)

    def close(self) -> None:
        """Close the connections; the next session opens new ones."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
        "journal_mode=WAL",
        "foreign_keys=ON",
        "synchronous=FULL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # SQLite's own knows the letters a to z alone: somebody who searches for "ängström" means "Ängström" too.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("crowdmask_write", False)
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _hide_values(context: sa.ExceptionContext) -> None:
    """Keep a statement's values out of its error, so out of logs: PostgreSQL quotes the row below the first line."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = (str(error.args[0]).partition("\n")[0] if error.args else "",)


@contextmanager
def _said_our_way(name: str) -> Iterator[None]:
    """Turn what the database cannot help into errors of ours; mistakes in our statements stay as they are."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(
            ErrorCode.DATABASE_BUSY,
            "All connections to the database were in use for too long.",
            hint="Try again in a moment; nothing was changed.",
        ) from error
    except DBAPIError as error:
        said = _ours(error, name)
        if said is None:
            raise
        raise said from error


def _ours(error: DBAPIError, name: str) -> Corrupt | Unavailable | None:
    state = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    # The low byte is the kind of error, what is above it the place where it was met.
    if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DAMAGED:
        return Corrupt(
            ErrorCode.DATABASE_CORRUPT,
            f"The database {name} is damaged, or is no database of SQLite: {text}.",
            hint="Restore it from a backup, together with the blobs that were saved with it.",
        )
    if state in _BUSY_STATES or "database is locked" in text:
        return Unavailable(
            ErrorCode.DATABASE_BUSY,
            "The database was busy for too long.",
            hint="Try again in a moment; nothing was changed.",
        )
    if state == _DISK_FULL_STATE or "database or disk is full" in text:
        return Unavailable(
            ErrorCode.STORAGE_FULL,
            "The disk that holds the database is full.",
            hint="Make room on it, then try again; nothing was changed.",
        )
    no_connection = isinstance(error, OperationalError) and state is None and error.statement is None
    if error.connection_invalidated or no_connection or "unable to open database file" in text:
        return Unavailable(
            ErrorCode.DATABASE_UNREACHABLE,
            "The database did not answer.",
            hint="Check that it runs and that its address is right, then try again.",
        )
    return None
