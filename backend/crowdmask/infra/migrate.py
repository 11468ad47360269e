"""Bring a database to the schema of this version. Alembic is imported only here, and only when asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

import crowdmask
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, Unavailable
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

_ADVISORY_LOCK = 0x63726F77646D736B  # one migration at a time on PostgreSQL; any constant of our own will do
# What a child passes to its parent.
_REFUSALS = {kind.__name__: kind for kind in (Conflict, Corrupt, Unavailable)}


def upgrade(url: str) -> None:
    """Create or upgrade the database at ``url``, in one transaction: killed half-way, nothing has happened.

    Nothing happens either when it is up to date.

    Raises:
        Conflict: ``database_newer``.
        Corrupt, Unavailable: as for ``Database.write``.
    """
    from alembic import command

    with migration_connection(url) as connection:
        refuse_newer(connection)
        command.upgrade(config(connection), "head")


def upgrade_in_child(settings: Settings) -> None:
    """``upgrade`` the database of the settings in a child process, so that this one never loads Alembic.

    Raises:
        Conflict, Corrupt, Unavailable: as for ``upgrade``.
    """
    _in_child(settings, "upgrade")


def refuse_other_schema_in_child(settings: Settings) -> None:
    """Refuse the database of the settings unless it has the schema of this version, likewise in a child process.

    Raises:
        Conflict: ``database_newer``, ``database_older``.
        Corrupt, Unavailable: as for ``Database.read``.
    """
    _in_child(settings, "check")


def _in_child(settings: Settings, action: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "crowdmask.infra.migrate", action],
        env=os.environ | settings.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode == 0:
        return
    try:
        refusal = json.loads(ended.stdout)
        kind = _REFUSALS[refusal["kind"]]
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            ErrorCode.INTERNAL,
            f"The schema of the database could not be settled (exit code {ended.returncode}).",
            hint="What it wrote above says why; nothing was changed.",
        ) from None
    raise kind(ErrorCode(refusal["code"]), refusal["message"], hint=refusal["hint"])


def downgrade(url: str, revision: str) -> None:
    """Take the database at ``url`` back to ``revision``; ``base`` drops every table. Errors as for ``upgrade``."""
    from alembic import command

    with migration_connection(url) as connection:
        refuse_newer(connection)
        command.downgrade(config(connection), revision)


def refuse_newer_database(url: str) -> None:
    """``refuse_newer`` for a process that only uses the database at ``url``; it changes nothing there.

    Raises:
        Conflict: ``database_newer``.
        Corrupt, Unavailable: as for ``Database.read``.
    """
    database = Database(url, pool_size=1)
    try:
        with database.read() as session:
            refuse_newer(session.connection())
    finally:
        database.close()


def refuse_newer(connection: sa.Connection) -> None:
    """Raise when a newer version of the code has already changed this database.

    Raises:
        Conflict: ``database_newer``.
    """
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    unknown = sorted(set(MigrationContext.configure(connection).get_current_heads()) - known)
    if unknown:
        raise Conflict(
            ErrorCode.DATABASE_NEWER,
            f"The database has the schema {', '.join(unknown)}, which Crowdmask {crowdmask.__version__} "
            "does not know: a newer version has upgraded it.",
            hint="Install that newer version, or restore the backup made before the upgrade.",
        )


@contextmanager
def migration_connection(url: str) -> Iterator[sa.Connection]:
    """A connection in one writing transaction that no other migration shares; committed when the block ends well.

    Raises:
        Corrupt, Unavailable: as for ``Database.write``.
    """
    database = Database(url, pool_size=1)
    try:
        if database.is_sqlite:
            with _sqlite_transaction(database) as connection:
                yield connection
        else:
            with database.write() as session:
                connection = session.connection()
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
                yield connection
    finally:
        database.close()


@contextmanager
def _sqlite_transaction(database: Database) -> Iterator[sa.Connection]:
    # Batch mode rebuilds a table by dropping the old one, which with foreign keys on would delete what refers to it.
    # The switch works only outside of a transaction; what it would have found is looked for at the end.
    @sa.event.listens_for(database.engine, "connect")
    def _foreign_keys_off(connection: object, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]

    with database.write() as session:
        connection = session.connection()
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(
                f"The migration would leave {len(broken)} rows that refer to nothing: {broken[:5]}"
            )


def config(connection: sa.Connection | None = None) -> "Config":
    """Alembic's configuration of our scripts, for ``connection``."""
    from alembic.config import Config

    result = Config()
    result.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    result.attributes["connection"] = connection
    return result


def scripts_folder() -> Path:
    """The folder of migrations: the repository's in a source checkout, else the copy in the installed package."""
    package = Path(crowdmask.__file__).resolve().parent
    in_repository = package.parent.parent / "alembic"
    if package.parent.name == "backend" and (in_repository / "env.py").is_file():
        return in_repository
    return package / "_migrations"


def _refuse_other(url: str) -> None:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = Database(url, pool_size=1)
    try:
        with database.read() as session:
            refuse_newer(session.connection())
            heads = MigrationContext.configure(session.connection()).get_current_heads()
    finally:
        database.close()
    needed = ScriptDirectory.from_config(config()).get_current_head()
    if heads != (needed,):
        raise Conflict(
            ErrorCode.DATABASE_OLDER,
            f"The database has the schema {', '.join(heads) or 'of no version'}, and Crowdmask {crowdmask.__version__} "
            f"needs {needed}.",
            hint="Make a backup, then run: crowdmask migrate.",
        )


def _main() -> int:
    """The child of ``_in_child``: a refusal goes to standard output, as JSON."""
    act = {"upgrade": upgrade, "check": _refuse_other}[sys.argv[1]]
    try:
        act(Settings().database_url)
    except tuple(_REFUSALS.values()) as error:
        kind = next(name for name, kind in _REFUSALS.items() if isinstance(error, kind))
        print(json.dumps({"kind": kind, "code": error.code, "message": error.message, "hint": error.hint}))  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
