"""Leases, the processes that hold them, and the priority of a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("term", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_index("ix_leases_holder", "leases", ["holder"])
    op.create_table(
        "services",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    # Not in a batch: SQLite would make the table anew, from under the rows that refer to it.
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="10"))


def downgrade() -> None:
    op.drop_column("jobs", "priority")
    op.drop_table("services")
    op.drop_index("ix_leases_holder", table_name="leases")
    op.drop_table("leases")
