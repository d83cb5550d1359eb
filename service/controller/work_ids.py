"""The ids of pieces of work: made here, and read here, for whoever wants to know what one is about.

`JOB:trial/17:search:3` is block 3 of a trial on a split, `JOB:prepare:fisher:maths` a model's
statistics, `JOB:build:weights.best` a child that a stage builds on, `export:ID` an export, and
`export:ID/0` a child that it builds on.
"""

from __future__ import annotations

from dataclasses import dataclass

_EXPORT = "export:"


@dataclass(frozen=True)
class About:
    """What a piece of work is for: a job or an export; `what` is the rest of its id."""

    job: str | None
    export: str | None
    trial: int | None
    what: str

    def said(self) -> dict[str, str | int]:
        """What there is of it, by name, for a line of the log."""
        ids = {"job": self.job, "export": self.export, "trial": self.trial, "work": self.what}
        return {name: value for name, value in ids.items() if value is not None}


def of_job(job_id: str, *parts: object) -> str:
    """The id of work for a job."""
    return ":".join((job_id, *map(str, parts)))


def of_export(export_id: str, step: int | None = None) -> str:
    """The id of an export's work, or of building what it needs first."""
    return f"{_EXPORT}{export_id}" if step is None else f"{_EXPORT}{export_id}/{step}"


def about(work_id: str) -> About:
    """What the id says."""
    if work_id.startswith(_EXPORT):
        export_id, _, step = work_id.removeprefix(_EXPORT).partition("/")
        return About(None, export_id, None, "build" if step else "export")
    job_id, _, what = work_id.partition(":")
    kind, _, label = what.partition(":")[0].partition("/")
    return About(job_id, None, int(label) if kind == "trial" else None, what)
