"""Notes and tags of jobs, and the keys of submissions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_tags",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("tag", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("job_id", "tag"),
    )
    op.create_index("ix_job_tags_tag", "job_tags", ["tag"])
    op.create_table(
        "submissions",
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("owner", "key"),
    )
    op.create_index("ix_submissions_job_id", "submissions", ["job_id"])
    op.add_column("jobs", sa.Column("notes", sa.Text(), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("jobs", "version")
    op.drop_column("jobs", "notes")
    op.drop_index("ix_submissions_job_id", "submissions")
    op.drop_table("submissions")
    op.drop_index("ix_job_tags_tag", "job_tags")
    op.drop_table("job_tags")
