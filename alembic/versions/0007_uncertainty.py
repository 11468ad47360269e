"""Masks have a map of their uncertainty. Those that are there have none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MASKS = ("segmentation", "derived_mask")


def upgrade() -> None:
    for name in _MASKS:
        op.add_column(name, sa.Column("uncertainty_sha256", sa.String(length=64), nullable=True))


def downgrade() -> None:
    for name in _MASKS:
        op.drop_column(name, "uncertainty_sha256")
