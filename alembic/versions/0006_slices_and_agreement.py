"""What a mask and its reference have in common is kept slice by slice, and how far two people's boxes agree."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SCORED = ("evaluation", "training_score")


def upgrade() -> None:
    for name in _SCORED:
        with op.batch_alter_table(name, recreate=_recreate()) as table:
            table.add_column(sa.Column("slices", sa.JSON(), nullable=True))
    op.create_table(
        "box_agreement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("one_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("one_revision", sa.Integer(), nullable=False),
        sa.Column("other_revision", sa.Integer(), nullable=False),
        sa.Column("box_score", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["one_id"], ["annotation.id"], name=op.f("fk_box_agreement_one_id_annotation")
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["annotation.id"], name=op.f("fk_box_agreement_other_id_annotation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box_agreement")),
        sa.UniqueConstraint("one_id", "other_id", name=op.f("uq_box_agreement_one_id_other_id")),
    )
    op.create_index(op.f("ix_box_agreement_other_id"), "box_agreement", ["other_id"])


def downgrade() -> None:
    op.drop_table("box_agreement")
    for name in _SCORED:
        with op.batch_alter_table(name, recreate=_recreate()) as table:
            table.drop_column("slices")


def _recreate() -> Literal["always", "never"]:
    """SQLite rebuilds the table, so that its definition is the one of the models to the letter."""
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"
