"""Quotas that an administrator has set for single owners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("running_jobs", sa.BigInteger(), nullable=True),
        sa.Column("queued_jobs", sa.BigInteger(), nullable=True),
        sa.Column("trials_per_day", sa.BigInteger(), nullable=True),
        sa.Column("export_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("owner"),
    )


def downgrade() -> None:
    op.drop_table("quotas")
