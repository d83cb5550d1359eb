"""Blocks of items, and what a trial was scored on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNT = """
UPDATE trials SET {column} = COALESCE((
    SELECT SUM(scores.{column}) FROM scores
    WHERE scores.job_id = trials.job_id AND scores.split = 'search'
    AND scores.subject = 'trial/' || trials.number
), 0)
"""


def upgrade() -> None:
    op.create_table(
        "blocks",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("merge_seconds", sa.Float(), nullable=False),
        sa.Column("score_seconds", sa.Float(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("job_id", "trial", "number"),
    )
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("n", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("tokens", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("same_as", sa.Integer(), nullable=True))
    for column in ("n", "tokens"):
        op.execute(_COUNT.format(column=column))


def downgrade() -> None:
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.drop_column("same_as")
        batch_op.drop_column("tokens")
        batch_op.drop_column("n")
    op.drop_table("blocks")
