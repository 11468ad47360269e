"""Distances of surfaces, volume error and coverage of an evaluation; jobs that embed slices ahead of annotation."""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCORES = ("hd95_mm", "nsd_2mm", "coverage", "volume_error")


def upgrade() -> None:
    with _changed("evaluation") as table:
        for name in _SCORES:
            table.add_column(sa.Column(name, sa.Float(), nullable=True))
    with _changed("job") as table:
        _allow_kinds(table, "ingest", "embed", "segment", "export", "evaluate")


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind = 'embed'")
    with _changed("job") as table:
        _allow_kinds(table, "ingest", "segment", "export", "evaluate")
    with _changed("evaluation") as table:
        for name in reversed(_SCORES):
            table.drop_column(name)


def _changed(name: str) -> AbstractContextManager[BatchOperations]:
    """Change a table. SQLite rebuilds it, so that its definition is the one of the models to the letter."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    return op.batch_alter_table(name, recreate="always" if on_sqlite else "never")


def _allow_kinds(table: BatchOperations, *kinds: str) -> None:
    table.drop_constraint(op.f("ck_job_jobkind"), type_="check")
    table.create_check_constraint(
        op.f("ck_job_jobkind"), f"kind IN ({', '.join(repr(kind) for kind in kinds)})"
    )
