"""Several objectives, constraints, and the size of a child."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("objectives", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("constraints", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("shortfall", sa.Float(), nullable=False, server_default="0"))
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parameters", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.drop_column("parameters")
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.drop_column("shortfall")
        batch_op.drop_column("constraints")
        batch_op.drop_column("objectives")
