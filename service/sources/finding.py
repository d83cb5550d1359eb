"""A spec's models, wherever they are: here, or still to be fetched or converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import is_offline_mode

from merging import references
from merging.adapters import is_adapter
from merging.checkpoint import CheckpointInfo, describe_checkpoint, is_there
from merging.errors import CheckpointError
from merging.model_files import weight_files
from search.errors import FieldError
from search.spec import ModelRef, SearchSpec
from service.models import resolve, sound
from service.settings import Settings
from service.sources import cache, hub
from service.sources.hub import HubAway, SourceError
from service.tables import Job

AskToken = Callable[[], str | None]
"""Gives the hub token of whoever names a model, once one is needed."""


def nobody() -> None:
    """No token: public models only."""


@dataclass(frozen=True)
class Found:
    """A spec whose repositories are pinned to commits, what its models are by alias, and which of
    them must be fetched or converted before they can be opened."""

    spec: SearchSpec
    checkpoints: dict[str, CheckpointInfo]
    absent: frozenset[str]


def find(spec: SearchSpec, settings: Settings, token: AskToken) -> Found:
    """Look at every model of a spec without fetching or converting one.

    Whoever names a repository that is not in the operator's own Hugging Face cache must be let in
    by the hub, with `token`, even where another job has fetched it. Raises Invalid, naming every
    reference that is wrong.
    """
    answers: dict[str, CheckpointInfo | FieldError] = {}
    refs: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for alias, model in spec.models.items():
        field = f"models.{alias}.ref"
        refs[alias], kept = _pinned_here(model.ref), None
        if remote := _remote(model.ref, settings):
            try:
                shown = token()
                pinned = hub.pin(*remote, shown)
                pinned, answers[alias] = cache.describe(settings.downloads_dir, pinned, shown)
            except (SourceError, HubAway, CheckpointError) as error:
                answers[alias] = FieldError(field, str(error))
                continue
            refs[alias], sizes[pinned.reference] = pinned.reference, pinned.size
            kept = settings.downloads_dir
        if remote is None or _is_here(refs[alias], settings):
            answers[alias] = resolve(
                refs[alias], settings.models_dir, field, kept, describe_checkpoint
            )
    if (size := sum(sizes.values())) > settings.download_bytes:
        message = f"the hub's models have {size} bytes, and there is room for "
        answers["models"] = FieldError("models", f"{message}{settings.download_bytes}")
    checkpoints = sound(answers)
    absent = frozenset(alias for alias, ref in refs.items() if not _is_here(ref, settings))
    models = {alias: ModelRef(ref=ref) for alias, ref in refs.items()}
    return Found(spec.model_copy(update={"models": models}), checkpoints, absent)


def fetched(job: Job, settings: Settings) -> list[tuple[str, str]]:
    """The repositories and commits of a job's models that come from the hub, here or not."""
    found = [_of_hub(ref, settings) for ref in _refs_of(job)]
    return [one for one in dict.fromkeys(found) if one is not None]


def complete(job: Job, settings: Settings) -> bool:
    """Whether nothing is to be fetched or converted before a job's models can be opened."""
    return all(_is_here(ref, settings) for ref in _refs_of(job))


def _refs_of(job: Job) -> list[str]:
    """The references of a job's models, as they are recorded."""
    return [model["ref"] for model in job.spec["models"].values()]


def _is_here(ref: str, settings: Settings) -> bool:
    try:
        path = references.resolve(ref, settings.models_dir.resolve(), settings.downloads_dir)
        return is_there(path)
    except CheckpointError:
        # What nobody can fetch is not waited for.
        return _remote(ref, settings) is None


def _remote(ref: str, settings: Settings) -> tuple[str, str] | None:
    """The repository and revision that a reference names, if the hub is to be asked for it."""
    if is_offline_mode() or not settings.download_bytes:
        return None
    return _of_hub(ref, settings)


def _of_hub(ref: str, settings: Settings) -> tuple[str, str] | None:
    named = references.repository_at(ref)
    if named is None or (settings.models_dir / ref).exists() or _snapshot(*named):
        return None
    return named


def _pinned_here(ref: str) -> str:
    """The reference by the commit that the operator's own cache has for its revision."""
    named = references.repository_at(ref)
    folder = None if named is None else _snapshot(*named)
    return ref if named is None or folder is None else f"{named[0]}@{folder.name}"


def _snapshot(repository: str, revision: str) -> Path | None:
    """Where the operator's own cache has it, weights and all."""
    try:
        folder = references.cached_snapshot(repository, revision)
        if not is_adapter(folder):
            weight_files(folder)
    except CheckpointError:
        return None
    return folder
