"""People sign in, are invited and assigned, and pages follow what changes.

The first account of an existing database becomes its operator.
"""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JOB_KINDS = ("ingest", "segment", "export")


def upgrade() -> None:
    op.create_table(
        "access_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "scope",
            sa.Enum("read", "write", name="tokenscope", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_access_token_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_access_token_token_sha256")),
    )
    op.create_index(op.f("ix_access_token_account_id"), "access_token", ["account_id"])

    op.create_table(
        "browser_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_browser_session_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browser_session")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_browser_session_token_sha256")),
    )
    op.create_index(op.f("ix_browser_session_account_id"), "browser_session", ["account_id"])

    op.create_table(
        "sign_in_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_in_link_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_link")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_sign_in_link_token_sha256")),
    )
    op.create_index(op.f("ix_sign_in_link_account_id"), "sign_in_link", ["account_id"])

    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_audit_event_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_audit_event_project_id_project")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index(op.f("ix_audit_event_project_id_created_at"), "audit_event", ["project_id", "created_at"])

    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_consent_account_id_account")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_consent_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "project_id", "account_id", "version", name=op.f("uq_consent_project_id_account_id_version")
        ),
    )
    op.create_table(
        "invite",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "annotator",
                "reviewer",
                "researcher",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("label_indices", sa.JSON(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_invite_created_by_account")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_invite_project_id_project")),
        sa.ForeignKeyConstraint(["used_by"], ["account.id"], name=op.f("fk_invite_used_by_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_invite_token_sha256")),
    )
    op.create_index(op.f("ix_invite_project_id"), "invite", ["project_id"])

    op.create_table(
        "guide_picture",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("caption", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_guide_picture_label_id_label")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guide_picture")),
    )
    op.create_index(op.f("ix_guide_picture_label_id"), "guide_picture", ["label_id"])

    op.create_table(
        "evaluation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("segmentation_id", sa.Uuid(), nullable=False),
        sa.Column("mask_sha256", sa.String(length=64), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("volume_dice", sa.Float(), nullable=True),
        sa.Column("slice_dice", sa.Float(), nullable=True),
        sa.Column("slice_dice_all", sa.Float(), nullable=True),
        sa.Column("slices_predicted", sa.Integer(), nullable=False),
        sa.Column("slices_reference", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["reference_mask.id"], name=op.f("fk_evaluation_reference_id_reference_mask")
        ),
        sa.ForeignKeyConstraint(
            ["segmentation_id"], ["segmentation.id"], name=op.f("fk_evaluation_segmentation_id_segmentation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
        sa.UniqueConstraint(
            "segmentation_id",
            "mask_sha256",
            "reference_id",
            name=op.f("uq_evaluation_segmentation_id_mask_sha256_reference_id"),
        ),
    )
    with _changed("account") as table:
        table.add_column(sa.Column("username", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("password_hash", sa.Text(), nullable=True))
        table.add_column(sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False))
        table.create_unique_constraint(op.f("uq_account_username"), ["username"])
    op.execute(
        "UPDATE account SET is_operator = true WHERE id = (SELECT id FROM account ORDER BY created_at, id LIMIT 1)"
    )
    with _changed("annotation") as table:
        table.add_column(sa.Column("completeness", sa.JSON(), nullable=True))
    with _changed("assignment") as table:
        table.add_column(sa.Column("assigned_by", sa.Uuid(), nullable=True))
        table.create_foreign_key(
            op.f("fk_assignment_assigned_by_account"), "account", ["assigned_by"], ["id"]
        )
    with _changed("job") as table:
        _allow_kinds(table, *_JOB_KINDS, "evaluate")
        table.add_column(sa.Column("project_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("account_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(op.f("fk_job_project_id_project"), "project", ["project_id"], ["id"])
        table.create_foreign_key(op.f("fk_job_account_id_account"), "account", ["account_id"], ["id"])
    op.create_index(op.f("ix_job_project_id"), "job", ["project_id"])
    for name in ("annotation", "assignment", "job"):
        _add_updated_at(name)
    with _changed("label") as table:
        table.add_column(sa.Column("guide", sa.Text(), server_default="", nullable=False))
    with _changed("membership") as table:
        table.add_column(sa.Column("label_indices", sa.JSON(), nullable=True))
    with _changed("project") as table:
        table.add_column(
            sa.Column("label_heading", sa.String(length=40), server_default="Organ", nullable=False)
        )
        table.add_column(sa.Column("consent_text", sa.Text(), server_default="", nullable=False))
        table.add_column(sa.Column("consent_version", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    for name, columns in {
        "project": ("consent_version", "consent_text", "label_heading"),
        "membership": ("label_indices",),
        "label": ("guide",),
    }.items():
        with _changed(name) as table:
            for column in columns:
                table.drop_column(column)
    for name in ("annotation", "assignment", "job"):
        op.drop_index(op.f(f"ix_{name}_updated_at"), table_name=name)
    op.drop_index(op.f("ix_job_project_id"), table_name="job")
    op.execute("DELETE FROM job WHERE kind = 'evaluate'")
    with _changed("job") as table:
        _allow_kinds(table, *_JOB_KINDS)
        table.drop_constraint(op.f("fk_job_account_id_account"), type_="foreignkey")
        table.drop_constraint(op.f("fk_job_project_id_project"), type_="foreignkey")
        for column in ("updated_at", "account_id", "project_id"):
            table.drop_column(column)
    with _changed("assignment") as table:
        table.drop_constraint(op.f("fk_assignment_assigned_by_account"), type_="foreignkey")
        table.drop_column("updated_at")
        table.drop_column("assigned_by")
    with _changed("annotation") as table:
        table.drop_column("updated_at")
        table.drop_column("completeness")
    with _changed("account") as table:
        table.drop_constraint(op.f("uq_account_username"), type_="unique")
        for column in ("is_operator", "password_hash", "username"):
            table.drop_column(column)
    for name in (
        "evaluation",
        "guide_picture",
        "invite",
        "consent",
        "audit_event",
        "sign_in_link",
        "browser_session",
        "access_token",
    ):
        op.drop_table(name)


def _changed(name: str) -> AbstractContextManager[BatchOperations]:
    """Change a table. SQLite rebuilds it, so that its definition is the one of the models to the letter."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    return op.batch_alter_table(name, recreate="always" if on_sqlite else "never")


def _allow_kinds(table: BatchOperations, *kinds: str) -> None:
    table.drop_constraint(op.f("ck_job_jobkind"), type_="check")
    table.create_check_constraint(
        op.f("ck_job_jobkind"), f"kind IN ({', '.join(repr(kind) for kind in kinds)})"
    )


def _add_updated_at(name: str) -> None:
    with _changed(name) as table:
        table.add_column(sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True))
    rows = sa.table(name, sa.column("updated_at"), sa.column("created_at"))
    op.execute(rows.update().values(updated_at=rows.c.created_at))
    with _changed(name) as table:
        table.alter_column("updated_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index(op.f(f"ix_{name}_updated_at"), name, ["updated_at"])
