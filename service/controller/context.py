"""What the workers must hold for a job, worked out from its spec and the operator's folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from merging.checkpoint import content_digest
from search.spec import DirectAnswer, ModelShape, SearchSpec
from service.errors import ServiceError
from service.models import chats, located, shapes
from service.settings import Settings
from service.sources import cache
from service.tables import Job
from workers.work import Context


@dataclass(frozen=True)
class Ready:
    """A job that can run: its spec, the shapes of its models by alias, the workers' context."""

    spec: SearchSpec
    shapes: Mapping[str, ModelShape]
    context: Context


class ModelChanged(ServiceError):
    """A parent's files changed under a job, so its log no longer says what was evaluated."""


def make_ready(job: Job, settings: Settings) -> Ready:
    """Find the job's models as they were at submission.

    Raises Invalid when one is no longer there, and ModelChanged.
    """
    spec = SearchSpec.model_validate(job.spec)
    checkpoints = located(spec, settings.models_dir, settings.downloads_dir)
    for alias, info in checkpoints.items():
        if content_digest(info.path) != job.model_digests[alias]:
            raise ModelChanged(f"model {alias!r} is no longer what it was at submission")
    for info in checkpoints.values():
        if info.path.is_relative_to(settings.downloads_dir):
            cache.use(info.path)
    answers = {e.task: e.answer for e in spec.tasks if not isinstance(e.answer, DirectAnswer)}
    context = Context(
        models={spec.models[alias].ref: info.path for alias, info in checkpoints.items()},
        digests=dict(job.model_digests),
        tasks={entry.task: entry.metric for entry in spec.tasks},
        search_metrics={
            entry.task: entry.search_metric
            for entry in spec.tasks
            if entry.search_metric is not None
        },
        tasks_dir=settings.tasks_dir,
        search_items=spec.items,
        device=settings.device,
        statistics=settings.statistics_dir,
        chat=chats(spec, checkpoints),
        answers=answers,
        # Jobs that draw no samples may share what a worker holds.
        seed=spec.seed if answers else 0,
    )
    return Ready(spec, shapes(checkpoints), context)


def with_built(context: Context, built: Mapping[str, Path]) -> Context:
    """The context with children of earlier stages, their folders by name in recipes."""
    if not built:
        return context
    # A name holds the digest of the recipe, and so says what the folder holds.
    digests = {name: name for name in built}
    return replace(
        context,
        models={**context.models, **built},
        digests={**context.digests, **digests},
    )
