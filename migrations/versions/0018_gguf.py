"""Exports as GGUF files too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("gguf", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.alter_column("gguf", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.drop_column("gguf")
