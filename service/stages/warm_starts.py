"""What the stages of a new job know of before their first trial, settled when it is submitted.

Trials of another job are copied, so that what this one learnt from stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from search.errors import FieldError, SpaceError
from search.gene import Gene
from search.history import known_genomes
from search.spec import SearchSpec
from search.warm_start_spec import FromJob, KnownTrial
from service.errors import Invalid, NotFound
from service.stages import repository as stages
from service.tables import Job
from service.trials import repository as trials


def histories(
    session: Session,
    spec: SearchSpec,
    genes: Mapping[str, Sequence[Gene]],
    get_job: Callable[[str], Job],
) -> dict[str, list[dict[str, Any]]]:
    """The known trials of every stage with a warm start, by its name. `genes` are each stage's;
    `get_job` finds a job that may be learnt from, or raises NotFound.

    Raises Invalid, naming the stage and the gene that does not agree.
    """
    found = {}
    for index, stage in enumerate(spec.stages):
        start, field = stage.warm_start, f"stages.{index}.warm_start"
        if start is None:
            continue
        known = (
            _of_job(session, spec, start, field, get_job)
            if isinstance(start, FromJob)
            else start.trials
        )
        try:
            known_genomes(genes[stage.name], known)
        except SpaceError as error:
            raise Invalid([FieldError(field, str(error))]) from error
        found[stage.name] = [one.model_dump() for one in known]
    return found


def _of_job(
    session: Session,
    spec: SearchSpec,
    start: FromJob,
    field: str,
    get_job: Callable[[str], Job],
) -> list[KnownTrial]:
    try:
        job = get_job(start.job)
    except NotFound as error:
        raise Invalid([FieldError(f"{field}.job", str(error))]) from error
    earlier = SearchSpec.model_validate(job.spec)
    if (earlier.tasks, earlier.items, earlier.objectives) != (
        spec.tasks,
        spec.items,
        spec.objectives,
    ):
        message = "its fitness is another: tasks, items or objectives differ"
        raise Invalid([FieldError(f"{field}.job", message)])
    genes = stages.genes_of(session, start.job).get(start.stage)
    if genes is None:
        message = f"job {start.job} has no stage {start.stage!r} that has begun"
        raise Invalid([FieldError(f"{field}.stage", message)])
    names = [gene.name for gene in genes]
    known = [
        KnownTrial(genes=dict(zip(names, trial.genome, strict=True)), fitness=trial.fitness)
        for trial in trials.all_of(session, start.job)
        if trial.stage == start.stage and trial.state == "finished" and trial.fitness is not None
    ]
    if not known:
        raise Invalid([FieldError(field, "there is no trial that was scored whole")])
    return known
