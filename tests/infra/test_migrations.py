"""The migrations make the schema of the models, on both databases (fault 47, docs/faults.md)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

import crowdmask
from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.infra import migrate
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.models import Base
from tests.factories import add_account

REPOSITORY = Path(__file__).parents[2]
EMPTY = pytest.mark.parametrize(
    "empty_database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    opened = Database(empty_database_url)
    yield opened
    opened.close()


def tables(database: Database) -> set[str]:
    with database.read() as session:
        return set(sa.inspect(session.connection()).get_table_names())


def schema(database: Database) -> dict[str, list[str]]:
    """Name of each table, constraint and index -> its definition, as the database itself writes it."""
    with database.read() as session:
        if database.is_sqlite:
            rows = session.execute(
                sa.text("select type || ' ' || name, sql from sqlite_master where sql is not null")
            )
        else:
            rows = session.execute(
                sa.text(
                    "select 'constraint ' || conname, pg_get_constraintdef(oid) from pg_constraint "
                    "where connamespace = 'public'::regnamespace "
                    "union all select 'index ' || indexname, indexdef from pg_indexes where schemaname = 'public' "
                    "union all select 'column ' || table_name || '.' || column_name, concat_ws(' ', data_type, "
                    "character_maximum_length, is_nullable, column_default) "
                    "from information_schema.columns where table_schema = 'public'"
                )
            )
        return {name: in_order(definition) for name, definition in rows if "alembic_version" not in name}


def in_order(definition: str) -> list[str]:
    """The parts of a table's definition; in which order its constraints stand and whether SQLite quoted its name or put an
    empty default in brackets, as it does after a change, does not matter."""
    text = re.sub(r"\s+", " ", definition).removesuffix(" )").replace("DEFAULT ('')", "DEFAULT ''")
    text = re.sub(r'^CREATE TABLE "(\w+)"', r"CREATE TABLE \1", text)
    columns, *constraints = re.split(r", (?=CONSTRAINT )", text)
    return [columns, *sorted(constraints)]


def create_from_models(database: Database) -> None:
    with database.write() as session:
        Base.metadata.create_all(session.connection())


def test_there_is_one_head() -> None:
    assert ScriptDirectory.from_config(migrate.config()).get_heads() == ["0007"]


@EMPTY
def test_the_migrated_schema_is_the_one_of_the_models(empty: Database, empty_database_url: str) -> None:
    create_from_models(empty)
    from_models = schema(empty)
    with empty.write() as session:
        Base.metadata.drop_all(session.connection())
    migrate.upgrade(empty_database_url)
    assert schema(empty) == from_models


def test_alembic_finds_nothing_to_change(database: Database) -> None:
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def enum_columns() -> list[sa.Column[object]]:
    return [c for t in Base.metadata.sorted_tables for c in t.columns if isinstance(c.type, sa.Enum)]


def test_every_enum_equals_the_check_in_the_database(database: Database) -> None:
    """``alembic check`` does not see these."""
    columns = enum_columns()
    assert {column.table.name for column in columns} >= {
        "job",
        "volume",
        "assignment",
        "annotation",
        "membership",
    }
    with database.read() as session:
        inspector = sa.inspect(session.connection())
        for column in columns:
            enum = column.type.enum_class  # type: ignore[attr-defined]
            assert issubclass(enum, StrEnum)
            checks = {c["name"]: c["sqltext"] for c in inspector.get_check_constraints(column.table.name)}
            check = checks[f"ck_{column.table.name}_{enum.__name__.lower()}"]
            assert column.name in check
            assert set(re.findall(r"'([^']*)'", check)) == {member.value for member in enum}


def test_a_value_outside_of_an_enum_is_refused_by_the_database(database: Database) -> None:
    with pytest.raises(DBAPIError), database.write() as session:
        session.execute(
            sa.text(
                "insert into job (id, kind, idem_key, queue, payload, priority, state, attempt, max_attempts, fence,"
                " cancel_requested, progress, created_at, updated_at) values ('00000000000000000000000000000000', 'ingest', 'k',"
                " 'cpu', '{}', 0, 'paused', 0, 5, 0, false, 0, current_timestamp, current_timestamp)"
            )
        )


@EMPTY
def test_upgrading_again_changes_nothing(empty: Database, empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    with empty.write() as session:
        add_account(session)
    before = schema(empty)
    migrate.upgrade(empty_database_url)
    assert schema(empty) == before
    with empty.read() as session:
        assert session.execute(sa.text("select count(*) from account")).scalar_one() == 1


@EMPTY
def test_going_back_to_the_base_drops_every_table(empty: Database, empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    assert tables(empty) == {table.name for table in Base.metadata.sorted_tables} | {"alembic_version"}
    migrate.downgrade(empty_database_url, "base")
    assert tables(empty) == {"alembic_version"}
    migrate.upgrade(empty_database_url)
    assert "job" in tables(empty)


@EMPTY
def test_an_upgrade_that_fails_half_way_leaves_nothing_and_can_be_run_again(
    empty: Database, empty_database_url: str
) -> None:
    with empty.write() as session:
        session.execute(sa.text("create table volume (id integer)"))  # in the way of the migration
    with pytest.raises(DBAPIError):
        migrate.upgrade(empty_database_url)
    assert tables(empty) == {"volume"}
    with empty.write() as session:
        session.execute(sa.text("drop table volume"))
    migrate.upgrade(empty_database_url)
    assert "job" in tables(empty)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    database: Database, database_url: str
) -> None:
    with database.write() as session:
        session.execute(sa.text("update alembic_version set version_num = '9999'"))
    before = schema(database)
    for change in (migrate.upgrade, lambda url: migrate.downgrade(url, "base")):
        with pytest.raises(Conflict) as caught:
            change(database_url)
        assert caught.value.code is ErrorCode.DATABASE_NEWER
        assert "9999" in caught.value.message
    assert schema(database) == before


@EMPTY
def test_a_child_process_upgrades_and_tells_its_refusals(
    empty: Database, empty_database_url: str, settings: Settings
) -> None:
    settings = settings.model_copy(update={"database_url": empty_database_url})
    with pytest.raises(Conflict) as older:
        migrate.refuse_other_schema_in_child(settings)
    assert older.value.code is ErrorCode.DATABASE_OLDER
    migrate.upgrade_in_child(settings)
    migrate.refuse_other_schema_in_child(settings)
    assert "job" in tables(empty)
    with empty.write() as session:
        session.execute(sa.text("update alembic_version set version_num = '9999'"))
    for act in (migrate.upgrade_in_child, migrate.refuse_other_schema_in_child):
        with pytest.raises(Conflict) as newer:
            act(settings)
        assert newer.value.code is ErrorCode.DATABASE_NEWER
        assert "9999" in newer.value.message
        assert newer.value.hint


@EMPTY
def test_upgrades_at_the_same_moment_all_end_well(empty: Database, empty_database_url: str) -> None:
    command = "import sys; from crowdmask.infra.migrate import upgrade; upgrade(sys.argv[1])"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", command, empty_database_url], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert "job" in tables(empty)


def run_python(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"CROWDMASK_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_alembics_own_commands_work_in_the_repository(tmp_path: Path) -> None:
    """The repository's folder of the same name has no ``__init__.py``, so it does not hide the installed package."""
    for command in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
        done = run_python("-m", "alembic", *command, data_dir=tmp_path)
        assert done.returncode == 0, done.stderr
    found = run_python("-c", "import alembic; print(alembic.__file__)", data_dir=tmp_path)
    assert not Path(found.stdout.strip()).is_relative_to(REPOSITORY / "alembic")


def test_a_source_checkout_uses_the_repositorys_migrations() -> None:
    assert migrate.scripts_folder() == REPOSITORY / "alembic"


def test_an_installed_package_uses_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "crowdmask"
    package.mkdir(parents=True)
    monkeypatch.setattr(crowdmask, "__file__", str(package / "__init__.py"))
    assert migrate.scripts_folder() == package / "_migrations"


def test_opening_the_database_imports_no_alembic(tmp_path: Path) -> None:
    program = (
        "import sys, crowdmask.models, crowdmask.infra.db, crowdmask.infra.migrate, crowdmask.infra.storage;"
        "sys.exit('alembic' in sys.modules)"
    )
    assert run_python("-c", program, data_dir=tmp_path).returncode == 0
