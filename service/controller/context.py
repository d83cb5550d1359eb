"""What the workers must hold for a job, worked out from its spec and the operator's folders."""

from __future__ import annotations

from search.spec import SearchSpec
from service.models import located
from service.settings import Settings
from service.tables import Job
from workers.work import Context


def context_of(job: Job, settings: Settings) -> Context:
    """The job's worker context. Raises Invalid when a model is no longer there."""
    spec = SearchSpec.model_validate(job.spec)
    checkpoints = located(spec, settings.models_dir)
    return Context(
        models={spec.models[alias].ref: info.path for alias, info in checkpoints.items()},
        tasks={entry.task: entry.metric for entry in spec.tasks},
        tasks_dir=settings.tasks_dir,
        search_items=spec.items,
        device=settings.device,
    )
