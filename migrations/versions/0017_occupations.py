"""What the workers of each process do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("services", sa.Column("doing", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("services", "doing")
