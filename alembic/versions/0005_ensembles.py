"""A training may have several configurations, whose predictions are taken together; what is compared follows from datasets."""

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres")
_STAGES = ("plan", "train", "predict")
_SCORE_KEY = ("training_id", "case", "label_index")
_NEW_SCORE_KEY = ("training_id", "configuration", "case", "label_index")

_training = sa.table("training", sa.column("id", sa.Uuid()), sa.column("settings", sa.JSON()))
_step = sa.table(
    "training_step",
    sa.column("training_id", sa.Uuid()),
    sa.column("stage", sa.String()),
    sa.column("configuration", sa.String()),
)
_score = sa.table(
    "training_score", sa.column("training_id", sa.Uuid()), sa.column("configuration", sa.String())
)


def upgrade() -> None:
    with _changed("training_step") as table:
        _allow_stages(table, *_STAGES, "ensemble")
        _add_configuration(table, "training_step", after="stage")
    with _changed("training_score") as table:
        _add_configuration(table, "training_score", after="training_id")
        _make_unique(table, _SCORE_KEY, _NEW_SCORE_KEY)
    op.drop_index(op.f("ix_training_pair_id"), "training")
    with _changed("training") as table:
        table.drop_column("pair_id")
    for training_id, settings in _settings():
        mine = {"configuration": settings["configuration"]}
        trains = _step.c.stage.in_(("train", "predict"))
        op.execute(sa.update(_step).where(_step.c.training_id == training_id, trains).values(mine))
        op.execute(sa.update(_score).where(_score.c.training_id == training_id).values(mine))


def downgrade() -> None:
    """A training with several configurations cannot be told to the version before: it goes."""
    for training_id, settings in _settings():
        first, *others = settings.pop("configurations", None) or [settings["configuration"]]
        if others:
            for table in (_score, _step):
                op.execute(sa.delete(table).where(table.c.training_id == training_id))
            op.execute(sa.delete(_training).where(_training.c.id == training_id))
        else:
            told = {"settings": {**settings, "configuration": first}}
            op.execute(sa.update(_training).where(_training.c.id == training_id).values(told))
    with _changed("training") as table:
        _add(table, sa.Column("pair_id", sa.Uuid(), nullable=True), after="export_id")
    op.create_index(op.f("ix_training_pair_id"), "training", ["pair_id"])
    _tell_pairs()
    with _changed("training_score") as table:
        _make_unique(table, _NEW_SCORE_KEY, _SCORE_KEY)
        _drop_configuration(table, "training_score")
    with _changed("training_step") as table:
        _drop_configuration(table, "training_step")
        _allow_stages(table, *_STAGES)


def _settings() -> list[tuple[UUID, dict[str, Any]]]:
    return [(id_, settings) for id_, settings in op.get_bind().execute(sa.select(_training)).all()]


def _tell_pairs() -> None:
    """Before, a training had the pair of its dataset."""
    op.execute(
        "UPDATE training SET pair_id = (SELECT pair_id FROM export WHERE export.id = training.export_id)"
    )


def _add(table: BatchOperations, column: sa.Column[Any], *, after: str) -> None:
    """PostgreSQL adds every column at the end."""
    table.add_column(column, **({"insert_after": after} if _on_sqlite() else {}))


def _add_configuration(table: BatchOperations, name: str, *, after: str) -> None:
    _add(table, sa.Column("configuration", sa.String(length=32), nullable=True), after=after)
    table.create_check_constraint(
        op.f(f"ck_{name}_configuration"), f"configuration IN ({_listed(_CONFIGURATIONS)})"
    )


def _drop_configuration(table: BatchOperations, name: str) -> None:
    table.drop_constraint(op.f(f"ck_{name}_configuration"), type_="check")
    table.drop_column("configuration")


def _make_unique(table: BatchOperations, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    table.drop_constraint(op.f(f"uq_training_score_{'_'.join(before)}"), type_="unique")
    table.create_unique_constraint(op.f(f"uq_training_score_{'_'.join(after)}"), list(after))


def _allow_stages(table: BatchOperations, *stages: str) -> None:
    table.drop_constraint(op.f("ck_training_step_trainingstage"), type_="check")
    table.create_check_constraint(op.f("ck_training_step_trainingstage"), f"stage IN ({_listed(stages)})")


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(repr(value) for value in values)


def _changed(name: str) -> AbstractContextManager[BatchOperations]:
    """Change a table. SQLite rebuilds it, so that its definition is the one of the models to the letter."""
    return op.batch_alter_table(name, recreate="always" if _on_sqlite() else "never")


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
