"""Exports to repositories on the hub."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = ("repository", "public", "dry_run", "parents", "warnings", "uploaded", "size", "commit")


def upgrade() -> None:
    no, none, nothing = sa.false(), sa.text("'{}'"), sa.text("'[]'")
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("repository", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("public", sa.Boolean(), nullable=False, server_default=no))
        batch_op.add_column(sa.Column("dry_run", sa.Boolean(), nullable=False, server_default=no))
        batch_op.add_column(sa.Column("parents", sa.JSON(), nullable=False, server_default=none))
        batch_op.add_column(
            sa.Column("warnings", sa.JSON(), nullable=False, server_default=nothing)
        )
        batch_op.add_column(
            sa.Column("uploaded", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("size", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("commit", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("exports", schema=None) as batch_op:
        for name in reversed(_COLUMNS):
            batch_op.drop_column(name)
