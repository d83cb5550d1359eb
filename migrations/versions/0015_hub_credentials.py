"""Hub credentials of owners, and the owner that an export was asked for by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_credentials",
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    owner = sa.Column("owner", sa.String(length=100), nullable=False, server_default="local")
    op.add_column("exports", owner)
    op.execute("UPDATE exports SET owner = (SELECT owner FROM jobs WHERE jobs.id = exports.job_id)")
    op.create_index("ix_exports_owner", "exports", ["owner"])


def downgrade() -> None:
    op.drop_index("ix_exports_owner", "exports")
    op.drop_column("exports", "owner")
    op.drop_table("hub_credentials")
