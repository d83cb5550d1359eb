"""The kinds of events there are."""

from __future__ import annotations

KINDS = (
    "anchors.chosen",
    "evaluation.finished",
    "export.failed",
    "export.finished",
    "export.queued",
    "export.uploading",
    "holdout.used",
    "job.cancelled",
    "job.cancelling",
    "job.created",
    "job.deleted",
    "job.extended",
    "job.failed",
    "job.finished",
    "job.paused",
    "job.pausing",
    "job.phase",
    "job.priority",
    "job.resumed",
    "job.started",
    "job.winner",
    "parent.built",
    "replay.diverged",
    "stage.ended",
    "stage.seeded",
    "statistics.prepared",
    "trial.finished",
    "trial.rescored",
)
