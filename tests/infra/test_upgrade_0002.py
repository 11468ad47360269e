"""A database that version 0.1 filled is brought to the schema of people, invites and live pages."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command

from crowdmask.core.ids import new_id
from crowdmask.infra import migrate
from crowdmask.infra.db import Database
from crowdmask.models import Account, Assignment, Job, JobKind, Label, Membership, Project

EMPTY = pytest.mark.parametrize(
    "empty_database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
AT = "2026-01-02 03:04:05.000000+00:00"


@pytest.fixture
def old(empty_database_url: str) -> Iterator[Database]:
    """A database at 0001."""
    database = Database(empty_database_url)
    configuration = migrate.config()
    with database.engine.execution_options(crowdmask_write=True).begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
    yield database
    database.close()


def fill(database: Database) -> dict[str, object]:
    """One row of what 0001 has; the ids by table."""
    ids = {
        name: new_id()
        for name in ("first", "second", "project", "label", "member", "volume", "task", "assignment", "job")
    }
    at = AT if not database.is_sqlite else AT[:26]
    rows: list[tuple[str, dict[str, object]]] = [
        ("account", {"id": ids["first"], "name": "First", "created_at": at}),
        ("account", {"id": ids["second"], "name": "Second", "created_at": at}),
        ("project", {"id": ids["project"], "name": "Old", "overlap": 2, "created_by": ids["first"], "created_at": at}),
        ("label", {"id": ids["label"], "project_id": ids["project"], "index": 1, "name": "liver", "created_at": at}),
        ("membership", {"id": ids["member"], "project_id": ids["project"], "account_id": ids["first"], "role": "admin", "created_at": at}),
        ("task", {"id": ids["task"], "volume_id": ids["volume"], "label_id": ids["label"], "overlap": 1, "priority": 0, "created_at": at}),
        ("assignment", {"id": ids["assignment"], "task_id": ids["task"], "account_id": ids["second"], "slot": 0, "state": "reserved", "lease_s": 60.0, "lease_until": at, "created_at": at}),
        ("job", {"id": ids["job"], "kind": "ingest", "idem_key": "k", "queue": "cpu", "payload": "{}", "priority": 0, "state": "queued", "attempt": 0, "fence": 0, "cancel_requested": False, "progress": 0.0, "created_at": at}),
    ]  # fmt: skip
    with database.engine.execution_options(crowdmask_write=True).begin() as connection:
        table = sa.Table("volume", sa.MetaData(), autoload_with=connection)
        needed = {
            "id": ids["volume"], "project_id": ids["project"], "name": "v", "state": "quarantined", "slice_axis": "z",
            "source_sha256": "0" * 64, "affine_assumed": False, "notices": "[]", "created_by": ids["first"], "created_at": at,
        }  # fmt: skip
        rows.insert(5, ("volume", {key: value for key, value in needed.items() if key in table.c}))
        for name, row in rows:
            columns = ", ".join(f'"{column}"' for column in row)
            places = ", ".join(f":{column}" for column in row)
            types = [sa.bindparam(c, type_=sa.Uuid()) for c, value in row.items() if hasattr(value, "hex") and hasattr(value, "version")]  # fmt: skip
            statement = sa.text(f"insert into {name} ({columns}) values ({places})").bindparams(*types)
            connection.execute(statement, row)
    return dict(ids)


@EMPTY
def test_an_upgrade_keeps_the_rows_and_makes_the_first_account_the_operator(
    old: Database, empty_database_url: str
) -> None:
    ids = fill(old)
    old.close()
    migrate.upgrade(empty_database_url)
    with old.read() as session:
        first, second = (session.get_one(Account, ids[name]) for name in ("first", "second"))
        assert (first.name, first.is_operator, first.username) == ("First", True, None)
        assert (second.name, second.is_operator) == ("Second", False)
        project = session.get_one(Project, ids["project"])
        assert (project.overlap, project.label_heading, project.consent_text, project.consent_version) == (2, "Organ", "", 0)  # fmt: skip
        assert session.get_one(Label, ids["label"]).guide == ""
        assert session.get_one(Membership, ids["member"]).label_indices is None
        assignment, job = session.get_one(Assignment, ids["assignment"]), session.get_one(Job, ids["job"])
        assert assignment.updated_at == assignment.created_at
        assert (job.updated_at, job.project_id, job.kind) == (job.created_at, None, JobKind.INGEST)
    migrate.downgrade(empty_database_url, "0001")
    migrate.upgrade(empty_database_url)
    with old.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Assignment)) == 1
        assert session.get_one(Account, ids["first"]).is_operator


@EMPTY
def test_an_upgrade_of_an_empty_database_makes_no_operator(old: Database, empty_database_url: str) -> None:
    old.close()
    migrate.upgrade(empty_database_url)
    with old.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == 0
