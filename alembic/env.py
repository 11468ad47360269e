"""How Alembic reaches our database: over the connection of ``crowdmask.infra.migrate``, or of the settings."""

from typing import Literal

import sqlalchemy as sa
from alembic import context

from crowdmask.infra.db import UtcDateTime
from crowdmask.infra.migrate import migration_connection
from crowdmask.infra.settings import Settings
from crowdmask.models import Base


def render(kind: str, element: object, _context: object) -> str | Literal[False]:
    """Write columns in SQLAlchemy's own types: a migration must not change when our code does."""
    if kind == "type" and isinstance(element, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(element, sa.JSON):
        return "sa.JSON()"
    return False


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=render,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations read the database they change, so --sql is not supported.")

given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with migration_connection(Settings().database_url) as own:
        run(own)
