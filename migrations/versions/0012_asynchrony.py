"""Asynchrony: the child's size with each block, and a steady stage's order of asks and outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parameters", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("asked_after", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("told", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.drop_column("told")
        batch_op.drop_column("asked_after")
    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.drop_column("parameters")
