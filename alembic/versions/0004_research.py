"""What a dataset is made of is chosen; masks that datasets ask for; trainings; what volumes and people state about themselves."""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COMPLETIONS = ("none", "fill", "full")
_STATED = ("patient", "modality", "licence")
_OVERLAPS = ("volume_dice", "slice_dice", "slice_dice_all")
_SCORES = ("hd95_mm", "nsd_2mm", "coverage", "volume_error", "predicted_ml", "reference_ml")


def upgrade() -> None:
    with _changed("volume") as table:
        table.add_column(_text("patient", 200))
        table.add_column(_text("modality", 20))
        table.add_column(_text("licence", 200))
    with _changed("project") as table:
        table.add_column(
            sa.Column("completion", sa.String(length=32), nullable=False, server_default=_COMPLETIONS[0])
        )
        table.create_check_constraint(
            op.f("ck_project_completion"), f"completion IN ({_listed(_COMPLETIONS)})"
        )
        table.add_column(sa.Column("citation", sa.Text(), nullable=False, server_default=""))
    with _changed("membership") as table:
        table.add_column(_text("qualification", 200))
    with _changed("annotation") as table:
        table.add_column(sa.Column("return_comment", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("return_slice", sa.Integer(), nullable=True))
    with _changed("export") as table:
        table.add_column(sa.Column("choice", sa.JSON(), nullable=True))
        table.add_column(sa.Column("pair_id", sa.Uuid(), nullable=True))
    with _changed("evaluation") as table:
        table.add_column(sa.Column("predicted_ml", sa.Float(), nullable=True))
        table.add_column(sa.Column("reference_ml", sa.Float(), nullable=True))
    with _changed("job") as table:
        _allow_kinds(table, "ingest", "embed", "segment", "export", "evaluate", "train")
    _create_derived_mask()
    _create_mask_agreement()
    _create_training()


def downgrade() -> None:
    for name in ("training_score", "training_step", "training", "mask_agreement", "derived_mask"):
        op.drop_table(name)
    op.execute("DELETE FROM job WHERE kind = 'train'")
    with _changed("job") as table:
        _allow_kinds(table, "ingest", "embed", "segment", "export", "evaluate")
    _drop("evaluation", "reference_ml", "predicted_ml")
    _drop("export", "pair_id", "choice")
    _drop("annotation", "return_slice", "return_comment")
    _drop("membership", "qualification")
    with _changed("project") as table:
        table.drop_constraint(op.f("ck_project_completion"), type_="check")
        table.drop_column("citation")
        table.drop_column("completion")
    _drop("volume", *reversed(_STATED))


def _create_derived_mask() -> None:
    op.create_table(
        "derived_mask",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("volume_id", sa.Uuid(), nullable=False),
        sa.Column("label_index", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("completion", _enum("completion", *_COMPLETIONS), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("mask_sha256", sa.String(length=64), nullable=True),
        sa.Column("provenance", sa.JSON(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_derived_mask_volume_id_volume")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_derived_mask_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_derived_mask")),
        sa.UniqueConstraint("key", name=op.f("uq_derived_mask_key")),
    )
    op.create_index(op.f("ix_derived_mask_volume_id"), "derived_mask", ["volume_id"])


def _create_mask_agreement() -> None:
    op.create_table(
        "mask_agreement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("one_sha256", sa.String(length=64), nullable=False),
        sa.Column("other_sha256", sa.String(length=64), nullable=False),
        sa.Column("volume_dice", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mask_agreement")),
        sa.UniqueConstraint(
            "one_sha256", "other_sha256", name=op.f("uq_mask_agreement_one_sha256_other_sha256")
        ),
    )


def _create_training() -> None:
    op.create_table(
        "training",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("pair_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_training_project_id_project")),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], name=op.f("fk_training_export_id_export")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_training_created_by_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training")),
    )
    op.create_index(op.f("ix_training_project_id"), "training", ["project_id"])
    op.create_index(op.f("ix_training_pair_id"), "training", ["pair_id"])
    op.create_table(
        "training_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage", _enum("trainingstage", "plan", "train", "predict"), nullable=False),
        sa.Column("fold", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("log", sa.Text(), server_default="", nullable=False),
        sa.Column("epochs", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["training_id"], ["training.id"], name=op.f("fk_training_step_training_id_training")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_training_step_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_step")),
        sa.UniqueConstraint("training_id", "position", name=op.f("uq_training_step_training_id_position")),
    )
    op.create_index(op.f("ix_training_step_updated_at"), "training_step", ["updated_at"])
    op.create_table(
        "training_score",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("case", sa.String(length=200), nullable=False),
        sa.Column("volume_id", sa.Uuid(), nullable=False),
        sa.Column("label_index", sa.Integer(), nullable=False),
        sa.Column("label_name", sa.String(length=200), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in _OVERLAPS),
        sa.Column("slices_predicted", sa.Integer(), nullable=False),
        sa.Column("slices_reference", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in _SCORES),
        sa.Column("prediction_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["training_id"], ["training.id"], name=op.f("fk_training_score_training_id_training")
        ),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volume.id"], name=op.f("fk_training_score_volume_id_volume")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_score")),
        sa.UniqueConstraint(
            "training_id", "case", "label_index", name=op.f("uq_training_score_training_id_case_label_index")
        ),
    )


def _changed(name: str) -> AbstractContextManager[BatchOperations]:
    """Change a table. SQLite rebuilds it, so that its definition is the one of the models to the letter."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    return op.batch_alter_table(name, recreate="always" if on_sqlite else "never")


def _drop(name: str, *columns: str) -> None:
    with _changed(name) as table:
        for column in columns:
            table.drop_column(column)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False, server_default="")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(repr(value) for value in values)


def _allow_kinds(table: BatchOperations, *kinds: str) -> None:
    table.drop_constraint(op.f("ck_job_jobkind"), type_="check")
    table.create_check_constraint(op.f("ck_job_jobkind"), f"kind IN ({_listed(kinds)})")
