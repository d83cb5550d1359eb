"""A counter for the event cursor, and room for long names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAMES = {"evaluations": ["subject"], "scores": ["subject", "task"], "holdout_uses": ["task"]}


def upgrade() -> None:
    op.create_table(
        "event_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO event_cursor (id, last) SELECT 1, COALESCE(MAX(id), 0) FROM events")
    _alter(sa.String(length=200), sa.Text())


def downgrade() -> None:
    _alter(sa.Text(), sa.String(length=200))
    op.drop_table("event_cursor")


def _alter(old: sa.types.TypeEngine[str], new: sa.types.TypeEngine[str]) -> None:
    for table, columns in _NAMES.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.alter_column(column, existing_type=old, type_=new, existing_nullable=False)
