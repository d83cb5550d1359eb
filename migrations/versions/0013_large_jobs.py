"""Large jobs: indexes that tell a job's progress and its best trial without reading its trials."""

from __future__ import annotations

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


def downgrade() -> None:
    op.drop_index("ix_trials_best", table_name="trials")
    op.drop_index("ix_trials_progress", table_name="trials")
