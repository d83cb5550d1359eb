"""Which jobs may begin, and which must rest, by the quotas of their owners."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy.orm import Session

from service.events import repository as events
from service.jobs.repository import AT_WORK
from service.quotas import repository as quotas
from service.settings import Settings
from service.tables import Job

# Trials are counted anew so often: it takes a look at every trial of a day.
_COUNT_SECONDS = 1.0


class Limits:
    """The owners' quotas as they were when `look` was last called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places: dict[str, float] = {}
        self._spent: frozenset[str] = frozenset()
        self._counted = -math.inf

    def look(self, session: Session, active: Collection[Job]) -> None:
        """Look at how much the owners of the active jobs have by now."""
        owners = sorted({job.owner for job in active})
        most = quotas.of_all(session, owners, self._settings)
        at_work = Counter(job.owner for job in active if job.state in AT_WORK)
        self._places = {
            owner: math.inf if one.running_jobs is None else one.running_jobs - at_work[owner]
            for owner, one in most.items()
        }
        if time.monotonic() - self._counted < _COUNT_SECONDS:
            return
        self._counted = time.monotonic()
        self._spent = frozenset(
            owner
            for owner, one in most.items()
            if one.trials_per_day is not None
            and quotas.trials_of_a_day(session, owner) >= one.trials_per_day
        )

    def rests(self, job: Job) -> bool:
        """Whether the job's owner has begun as many trials as a day may have."""
        return job.owner in self._spent

    def may_begin(self, jobs: Iterable[Job]) -> list[Job]:
        """Those that may be taken up now, if they are in this order."""
        places = dict(self._places)
        chosen = []
        for job in jobs:
            if job.state not in AT_WORK:
                places[job.owner] -= 1
                if places[job.owner] < 0:
                    continue
            chosen.append(job)
        return chosen


def tell(session: Session, job_id: str, *, rests: bool) -> None:
    """Write into the job's log that it rests, or goes on, because of its owner's quota."""
    kind = "quota.reached" if rests else "quota.free"
    events.append(session, job_id, kind, {"quota": "trials_per_day"})
