"""A job that this process moves on: its life, and its work on the way to workers and back."""

from __future__ import annotations

from service.controller.context import make_ready, with_built
from service.controller.exporting import write_step
from service.controller.holding import Holding
from service.controller.life import Life
from service.controller.needs import Build, Preparation, Task
from service.controller.queueing import WorkQueue
from service.controller.work_ids import of_job
from service.settings import Settings
from service.tables import Job
from workers.work import Evaluate, Prepare, Result, Work

# A large model's statistics take longer than an evaluation.
_PREPARE_SECONDS = 3600.0


class RunningJob:
    """A job's life with its work: what waits for a worker, and what is with one."""

    def __init__(self, holding: Holding, job: Job, settings: Settings) -> None:
        ready = make_ready(job, settings)
        self.id = job.id
        self.holding = holding
        self._timeout = ready.spec.timeout_seconds
        self._context = ready.context
        built_dir = settings.built_dir / job.id
        self._answers = settings.kept_answers > 0
        self._life = Life(
            holding.database,
            job.id,
            ready.spec,
            ready.shapes,
            built_dir,
            kept_answers=settings.kept_answers,
        )
        self._queue: WorkQueue[Task, Result] = WorkQueue(self._life)
        self._flying: dict[str, Task] = {}
        self.resting = False
        self.spent = False

    @property
    def done(self) -> bool:
        """Whether the job has come to its end."""
        return self._queue.done

    @property
    def flying(self) -> set[str]:
        """The ids of work that is with a worker."""
        return set(self._flying)

    def next_work(self) -> Work | None:
        """The next piece of work; None while the step's last are on their way, while the job is to
        rest, or at the end."""
        if self.resting:
            return None
        need = self._queue.next()
        if need is None:
            return None
        work = self._work_of(need)
        self._flying[work.id] = need
        return work

    def _work_of(self, need: Task) -> Work:
        recipe = need.recipe.model_dump_json(exclude_none=True)
        context = with_built(self._context, self._life.built)
        if isinstance(need, Preparation):
            work_id = of_job(self.id, "prepare", need.recipe.merge_method, need.model)
            timeout = max(self._timeout, _PREPARE_SECONDS)
            return Prepare(work_id, context, recipe, need.model, timeout)
        if isinstance(need, Build):
            work_id = of_job(self.id, "build", need.alias)
            return write_step(work_id, context, need.recipe, need.folder, need.steps)
        block = need.block
        parts = [need.subject, need.split] + ([] if block is None else [block.number])
        wanted = self._answers and need.split == "search"
        return Evaluate(
            of_job(self.id, *parts),
            context,
            recipe,
            need.split,
            self._timeout,
            None if block is None else block.places,
            answers=wanted,
            questions=wanted and need.subject.kind == "parent",
        )

    def record(self, result: Result) -> None:
        """Record one result of this job's."""
        self._queue.record(self._flying.pop(result.id), result)
