"""The allocation that a spec asks for."""

from __future__ import annotations

from search.spec import AnchorsAllocation, RacingAllocation, SearchSpec
from service.controller.allocating import Allocation, JobLog
from service.controller.anchoring import Anchors
from service.controller.racing import Racing
from service.controller.whole import InBlocks, Whole
from service.database import Database


def make_allocation(spec: SearchSpec, log: JobLog, database: Database) -> Allocation:
    """The allocation of a job, given what is recorded of it."""
    if isinstance(spec.allocation, RacingAllocation):
        return Racing(spec.allocation, spec, log)
    if isinstance(spec.allocation, AnchorsAllocation):
        return Anchors(spec.allocation, spec, log, database)
    size = spec.allocation.block
    return InBlocks(size, log) if isinstance(size, int) else Whole()
