"""What people write on a job: notes and tags; and a spec with some of its values changed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from search.errors import FieldError
from service.errors import Conflict, Invalid
from service.jobs import repository as jobs
from service.tables import Job, JobTag

Tag = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f,]{1,50}$")]
# No NUL: PostgreSQL has none in a text.
Notes = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]


class Edit(BaseModel):
    """New notes or tags, for the version of the job that they were written on."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, lt=2**31, description="The job's version as it was last read.")
    notes: Notes | None = Field(default=None, description="Left out: as they are.")
    tags: list[Tag] | None = Field(default=None, max_length=20, description="All of them, if any.")


class Changes(BaseModel):
    """Values of a spec that are to be others, by the path of their field."""

    model_config = ConfigDict(extra="forbid")

    changes: dict[str, JsonValue] = Field(
        default={},
        max_length=100,
        examples=[{"name": "again", "stages.0.budget.trials": 500}],
        description="New values by path, in the words of error messages.",
    )


def edit(session: Session, job_id: str, wanted: Edit) -> Job:
    """Set notes and tags. Raises NotFound, and Conflict if somebody has done so since."""
    job = jobs.get(session, job_id)
    if job.version != wanted.version:
        message = f"the job is at version {job.version} by now, not {wanted.version}; read it again"
        raise Conflict(message)
    job.version += 1
    if wanted.notes is not None:
        job.notes = wanted.notes
    if wanted.tags is not None:
        session.execute(delete(JobTag).where(JobTag.job_id == job_id))
        session.add_all(JobTag(job_id=job_id, tag=tag) for tag in sorted(set(wanted.tags)))
        session.flush()
    return job


def tags_of(session: Session, job_id: str) -> list[str]:
    """A job's tags, sorted."""
    return sorted(session.scalars(select(JobTag.tag).where(JobTag.job_id == job_id)))


def changed(spec: Mapping[str, Any], changes: Mapping[str, JsonValue]) -> dict[str, Any]:
    """The spec with other values; whether they make sense together is for admission to say.

    Raises Invalid for a path that leads nowhere.
    """
    fresh = deepcopy(dict(spec))
    wrong = []
    for path, value in changes.items():
        *way, last = path.split(".")
        place: Any = fresh
        try:
            for step in way:
                place = place[int(step) if isinstance(place, list) else step]
            if isinstance(place, list):
                place[int(last)] = value
            else:
                place[last] = value
        except (KeyError, IndexError, TypeError, ValueError):
            wrong.append(FieldError(f"changes.{path}", "the spec has no such field"))
    if wrong:
        raise Invalid(wrong)
    return fresh
