"""The models folder: references resolved to checkpoints that lie inside it, and nowhere else but
in the local Hugging Face cache and the service's own downloads, by a repository's name and
revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evaluators.errors import NoChatTemplate
from merging import references
from merging.checkpoint import CheckpointInfo, inspect_checkpoint
from merging.errors import CheckpointError
from search.errors import FieldError
from search.spec import ModelShape, SearchSpec
from service.errors import Invalid

_DEPTH = 3


def located(
    spec: SearchSpec, models_dir: Path, downloads: Path | None = None
) -> dict[str, CheckpointInfo]:
    """The checkpoint of each of the spec's models, by alias; those of GGUF files are converted.

    Raises Invalid, naming every reference that is wrong.
    """
    answers = {
        alias: resolve(model.ref, models_dir, f"models.{alias}.ref", downloads)
        for alias, model in spec.models.items()
    }
    return sound(answers)


def sound(answers: Mapping[str, CheckpointInfo | FieldError]) -> dict[str, CheckpointInfo]:
    """The checkpoints, if all are; raises Invalid, naming every reference that is wrong."""
    errors = [answer for answer in answers.values() if isinstance(answer, FieldError)]
    if errors:
        raise Invalid(errors)
    return {alias: info for alias, info in answers.items() if isinstance(info, CheckpointInfo)}


def shapes(checkpoints: Mapping[str, CheckpointInfo]) -> dict[str, ModelShape]:
    """What the search needs to know of each model."""
    return {
        alias: ModelShape(num_layers=info.num_layers, tied_embeddings=info.tied_embeddings)
        for alias, info in checkpoints.items()
    }


def chats(spec: SearchSpec, checkpoints: Mapping[str, CheckpointInfo]) -> dict[str, Path]:
    """For each task that is asked in a chat, the folder of the model whose template it takes.

    Raises Invalid, naming every setting that no template answers.
    """
    asked = {index: entry for index, entry in enumerate(spec.tasks) if entry.chat is not False}
    if not asked:
        return {}
    # It imports transformers, which takes seconds.
    from evaluators.chat import chosen  # noqa: PLC0415

    folders = {alias: info.folder for alias, info in checkpoints.items()}
    errors, found = [], {}
    for index, entry in asked.items():
        try:
            found[entry.task] = folders[chosen(entry.chat, folders)]
        except NoChatTemplate as error:
            errors.append(FieldError(f"tasks.{index}.chat", str(error)))
    if errors:
        raise Invalid(errors)
    return found


def resolve(
    ref: str,
    models_dir: Path,
    field: str,
    downloads: Path | None = None,
    inspect: Callable[[Path], CheckpointInfo] = inspect_checkpoint,
) -> CheckpointInfo | FieldError:
    """The checkpoint that a reference names, or what is wrong with it, under `field`.

    A reference is a folder or a GGUF file in the models folder, `org/name@revision` in the local
    Hugging Face cache or among the `downloads`, or `base+adapter` of those. Links are followed
    before a path is checked, so none leads elsewhere; nor does the base that an adapter names.
    `inspect` may be `describe_checkpoint`, which converts nothing.
    """
    root = models_dir.resolve()
    if not ref or "\x00" in ref:
        return FieldError(field, "a model reference cannot be empty")
    try:
        path = references.resolve(ref, root, downloads)
    except OSError as error:
        return FieldError(field, f"{ref[:40]!r}...: {error.strerror}")
    except CheckpointError as error:
        there = ", ".join(available(models_dir)) or "none"
        return FieldError(field, f"{error}; the models folder holds: {there}")
    try:
        base, _ = references.parts(path)
        allowed = [root, references.hub_cache(), *([downloads.resolve()] if downloads else [])]
        if not any(base.resolve().is_relative_to(one) for one in allowed):
            return FieldError(field, f"the base of {ref!r} lies outside the models folder")
        return inspect(path)
    except CheckpointError as error:
        return FieldError(field, str(error))


def available(models_dir: Path) -> list[str]:
    """References of every checkpoint and GGUF file in the models folder, sorted."""
    root = models_dir.resolve()
    return sorted(str(path.relative_to(root)) for path in _checkpoints(root, _DEPTH))


def _checkpoints(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "config.json").is_file():
        yield folder
        return
    yield from folder.glob("*.gguf")
    if depth > 0:
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _checkpoints(child, depth - 1)
