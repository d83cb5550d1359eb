"""The allocation that a spec asks for."""

from __future__ import annotations

from search.spec import RacingAllocation, SearchSpec
from service.controller.allocating import Allocation, Full, JobLog
from service.controller.racing import Racing


def make_allocation(spec: SearchSpec, log: JobLog) -> Allocation:
    """The allocation of a job, given what is recorded of it."""
    if isinstance(spec.allocation, RacingAllocation):
        return Racing(spec.allocation, spec, log)
    return Full()
