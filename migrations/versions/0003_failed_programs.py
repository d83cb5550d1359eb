"""How programs failed that were to answer, and how often two ways of answering agreed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("failures", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("agreed", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.drop_column("agreed")
        batch_op.drop_column("failures")
