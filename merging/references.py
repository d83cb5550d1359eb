"""References to models: a folder, a GGUF file, `org/name@revision`, or `base+adapter` of those.

A base with an adapter is one path, `base+adapter`, which `open_parent` takes as it takes a folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from merging.adapters import CONFIG, is_adapter
from merging.errors import CheckpointError
from merging.model_files import read_json

_REPOSITORY = re.compile(r"^([\w.-]+/[\w.-]+)@([\w./-]+)$")
COMMIT = re.compile(r"[0-9a-f]{40}")
"""The id of a commit."""


def resolve(reference: str, root: Path, downloads: Path | None = None) -> Path:
    """The path of a model in the folder `root`, or of a repository.

    Links are followed before a path is checked, so no reference leads out of `root`, but by the
    name of a repository into the local Hugging Face cache, or, for a commit, into `downloads`
    (`download_place`). Nothing is downloaded. A repository's revision (a commit, a tag or a branch)
    must be given. Raises CheckpointError.
    """
    path = (root / reference).resolve()
    if not path.is_relative_to(root.resolve()):
        raise CheckpointError(f"{reference!r} lies outside the models folder")
    if path.exists():
        return path
    base, plus, adapter = reference.partition("+")
    while plus:
        try:
            return joined(resolve(base, root, downloads), resolve(adapter, root, downloads))
        except CheckpointError:
            # The first plus may belong to a folder's name.
            if "+" not in adapter:
                raise
        more, plus, adapter = adapter.partition("+")
        base = f"{base}+{more}"
    named = repository_at(reference)
    if named is None:
        raise CheckpointError(
            f"there is no model {reference!r}; one of a repository is written org/name@revision"
        )
    if downloads is not None and COMMIT.fullmatch(named[1]):
        place = download_place(downloads, *named)
        if place.is_dir():
            return place
    return cached_snapshot(*named)


def download_place(downloads: Path, repository: str, commit: str) -> Path:
    """Where a model of the hub lies once it is downloaded, or will lie."""
    return downloads / repository.replace("/", "--") / commit


def repository_at(reference: str) -> tuple[str, str] | None:
    """The repository and the revision of `org/name@revision`; None for any other reference."""
    found = _REPOSITORY.match(reference)
    return None if found is None else (found[1], found[2])


def cached_snapshot(repository: str, revision: str) -> Path:
    """The folder of a repository's revision in the local Hugging Face cache."""
    try:
        folder = snapshot_download(repository, revision=revision, local_files_only=True)
    except (HFValidationError, LocalEntryNotFoundError):
        message = "is not in the local Hugging Face cache"
        raise CheckpointError(f"{repository}@{revision}: {message}") from None
    return Path(folder)


def repository_of(reference: str) -> str | None:
    """The repository that a reference names: `org/name` of `org/name@revision`, else None."""
    found = repository_at(reference.partition("+")[0])
    return None if found is None else found[0]


def hub_cache() -> Path:
    """The local Hugging Face cache: what HF_HUB_CACHE says, or HF_HOME."""
    return Path(constants.HF_HUB_CACHE).resolve()


def joined(base: Path, adapter: Path) -> Path:
    """One path for a model folder with an adapter."""
    return Path(f"{base}+{adapter}")


def parts(path: Path) -> tuple[Path, Path | None]:
    """The base and adapter of a path: of `base+adapter`, or of an adapter that names its base.

    An adapter alone names its base by an absolute path, or as a repository with a revision; any
    other name means something only where it was trained. Raises CheckpointError then.
    """
    if path.exists():
        return _named_base(path) if is_adapter(path) else (path, None)
    text = str(path)
    for place in (found.start() for found in re.finditer(r"\+", text)):
        base, adapter = Path(text[:place]), Path(text[place + 1 :])
        if base.exists() and adapter.is_dir():
            return base, adapter
    return path, None


def _named_base(adapter: Path) -> tuple[Path, Path]:
    config = read_json(adapter / CONFIG, "no adapter")
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if isinstance(name, str) and Path(name).is_absolute() and Path(name).is_dir():
        return Path(name), adapter
    if isinstance(name, str) and isinstance(revision, str):
        named = repository_at(f"{name}@{revision}")
        if named is not None:
            return cached_snapshot(*named), adapter
    message = f"does not say which model it belongs to ({name!r}); write base+adapter"
    raise CheckpointError(f"{adapter}: is an adapter that {message}")
