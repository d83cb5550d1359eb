"""Large jobs: indexes that tell progress and the best trial without reading trials; and answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_trials_progress", "trials", ["job_id", "stage", "state", "finished_at", "tokens"]
    )
    op.create_index(
        "ix_trials_best", "trials", ["job_id", "state", "shortfall", "fitness", "number"]
    )
    op.create_table(
        "answers",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("task", sa.Text(), primary_key=True),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "questions",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("task", sa.Text(), primary_key=True),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("questions")
    op.drop_table("answers")
    op.drop_index("ix_trials_best", table_name="trials")
    op.drop_index("ix_trials_progress", table_name="trials")
