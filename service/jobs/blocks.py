"""How a job's candidates are cut into blocks where its spec leaves that open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from search.item_blocks import automatic_size
from search.samplers import make_sampler
from search.spec import FullAllocation, Stage
from service.jobs.admission import Admitted
from service.jobs.estimating import items_per_trial


def with_blocks(admitted: Admitted, workers: int, tasks_dir: Path | None) -> Admitted:
    """The admitted spec with the size of blocks written out: a job keeps what it began with,
    however many workers there are later."""
    spec = admitted.spec
    if not isinstance(spec.allocation, FullAllocation) or spec.allocation.block != "auto":
        return admitted
    sizes = [_population(stage, admitted) for stage in spec.stages if stage.mode == "generations"]
    population = min(sizes, default=workers)
    # Tasks are loaded only where it matters.
    items = items_per_trial(spec, tasks_dir) if workers > population else None
    block = None if items is None else automatic_size(population, items, workers)
    allocation = spec.allocation.model_copy(update={"block": block})
    return replace(admitted, spec=spec.model_copy(update={"allocation": allocation}))


def _population(stage: Stage, admitted: Admitted) -> int:
    assert stage.sampler is not None
    spec, genes = admitted.spec, admitted.genes[stage.name]
    sampler = make_sampler(stage.sampler, genes, spec.seed, objectives=spec.objective_count)
    return min(sampler.batch, stage.budget.trials or sampler.batch)
