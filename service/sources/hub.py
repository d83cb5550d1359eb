"""Models of the Hugging Face hub, asked for and fetched by its own library.

Only what a model folder needs is taken: configuration, tokenizer, card, safetensors. Code and
pickled weights are left where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    SafetensorsParsingError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils.sha import git_hash, sha_fileobj
from huggingface_hub.utils.tqdm import tqdm

from merging.model_files import FLOATS, INDEX, TOKENIZER_FILES, TensorInfo
from merging.references import COMMIT
from service.errors import ServiceError
from service.exports.hub import HUB_ERRORS, reason

Grow = Callable[[int], None]
"""Told of bytes as they come; a negative number takes some back."""

_DESCRIPTION = ("config.json", *TOKENIZER_FILES, "README.md", INDEX)
_WHOLE = "model.safetensors"
_WEIGHTS = re.compile(r"[\w.-]+\.safetensors")
_PART = ".part"


class SourceError(ServiceError):
    """A repository can't be a model here; the message says why."""


class HubAway(ServiceError):
    """The hub did not answer, or not in full: another attempt may do better."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: its size in bytes, and the digest that the hub knows it by."""

    name: str
    size: int
    digest: str
    large: bool


@dataclass(frozen=True)
class Pinned:
    """A model's repository at one commit, and the files that belong to a model, by name."""

    repository: str
    commit: str
    files: Mapping[str, RemoteFile]

    @property
    def reference(self) -> str:
        """What a spec calls it: the commit never means other files."""
        return f"{self.repository}@{self.commit}"

    @property
    def size(self) -> int:
        """Bytes of all of its files."""
        return sum(file.size for file in self.files.values())

    def described_by(self) -> list[RemoteFile]:
        """Its files but for the weights, the small ones."""
        return [file for name, file in self.files.items() if name in _DESCRIPTION]

    def weights(self) -> list[RemoteFile]:
        """Its safetensors files."""
        return [file for name, file in self.files.items() if name not in _DESCRIPTION]


def pin(repository: str, revision: str, token: str | None) -> Pinned:
    """The commit that a revision means now, for whoever holds the token; None is for nobody.

    Raises SourceError where there is no such repository, or it is not open to the token, and
    HubAway.
    """
    with _told(f"{repository}@{revision}", token):
        info = HfApi(token=token or False).model_info(
            repository, revision=revision, files_metadata=True
        )
    if info.sha is None or not COMMIT.fullmatch(info.sha):
        raise SourceError(f"{repository}@{revision}: the hub names no commit")
    files = {}
    for one in info.siblings or []:
        wanted = one.rfilename in _DESCRIPTION or _WEIGHTS.fullmatch(one.rfilename)
        if wanted and one.size is not None and one.blob_id is not None:
            digest = one.blob_id if one.lfs is None else one.lfs.sha256
            files[one.rfilename] = RemoteFile(one.rfilename, one.size, digest, one.lfs is not None)
    if "config.json" not in files or not (INDEX in files or _WHOLE in files):
        message = "holds no config.json with safetensors weights, and Cuvee loads nothing else"
        raise SourceError(f"{repository}@{revision}: {message}")
    return Pinned(repository, info.sha, files)


def without_others(pinned: Pinned, folder: Path) -> Pinned:
    """Without safetensors that are no part of the model: those that the index in `folder` does not
    name, or, where there is no index, all but one.

    Raises SourceError where the index names a file that the repository does not have.
    """
    named = {_WHOLE}
    if INDEX in pinned.files:
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            named = set(map(str, index["weight_map"].values()))
        except (ValueError, TypeError, AttributeError, KeyError):
            raise SourceError(f"{pinned.reference}: {INDEX} has no weight_map") from None
    if missing := named - pinned.files.keys():
        raise SourceError(f"{pinned.reference}: {INDEX} names {min(missing)}, which is not there")
    files = {
        name: file for name, file in pinned.files.items() if name in named or name in _DESCRIPTION
    }
    return replace(pinned, files=files)


def headers(pinned: Pinned, token: str | None) -> dict[str, TensorInfo]:
    """What the headers of its weight files say, read without the weights.

    Raises SourceError where one is no safetensors file, and HubAway.
    """
    api = HfApi(token=token or False)
    tensors: dict[str, TensorInfo] = {}
    for file in pinned.weights():
        with _told(f"{pinned.reference}: {file.name}", token):
            header = api.parse_safetensors_file_metadata(
                pinned.repository, file.name, revision=pinned.commit
            )
        for name, one in header.tensors.items():
            kind = FLOATS.get(one.dtype, one.dtype)
            tensors[name] = TensorInfo(tuple(one.shape), kind, file.name)
    return tensors


def fetch(
    pinned: Pinned, file: RemoteFile, folder: Path, token: str | None, grow: Grow = lambda _: None
) -> None:
    """Put one file into the folder, whole and as the hub knows it, or not at all.

    What an attempt before has left of it is gone on with. Raises HubAway, SourceError, and whatever
    `grow` does.
    """
    target, part = folder / file.name, folder / f"{file.name}{_PART}"
    there = part.stat().st_size if part.exists() else 0
    if there > file.size:
        part.unlink()
        there = 0
    grow(there)

    class Progress(tqdm):
        """The library's way to say how far it is: a bar, which is never drawn."""

        def __init__(self, *values: Any, **options: Any) -> None:
            start: Any = super().__init__
            start(*values, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            grow(int(n or 0))

    with (
        part.open("r+b" if there else "wb") as out,
        _told(f"{pinned.reference}: {file.name}", token),
    ):
        out.seek(there)
        http_get(
            hf_hub_url(pinned.repository, file.name, revision=pinned.commit),
            out,
            resume_size=there,
            headers=build_hf_headers(token=token or False),
            expected_size=file.size,
            tqdm_class=Progress,
        )
    if _digest(part, large=file.large) != file.digest:
        part.unlink()
        grow(-file.size)
        raise HubAway(f"{pinned.reference}: {file.name} arrived damaged")
    part.rename(target)


def _digest(path: Path, *, large: bool) -> str:
    if not large:
        return git_hash(path.read_bytes())
    with path.open("rb") as file:
        return sha_fileobj(file).hex()


@contextmanager
def _told(subject: str, token: str | None) -> Iterator[None]:
    """Turn what the library raises into one sentence about a model."""
    try:
        yield
    except GatedRepoError:
        raise SourceError(f"{subject}: its owner has not let this account in yet") from None
    except RepositoryNotFoundError:
        raise SourceError(f"{subject}: there is no such repository, or it is private") from None
    except (RevisionNotFoundError, RemoteEntryNotFoundError):
        raise SourceError(f"{subject}: there is no such revision") from None
    except (HFValidationError, SafetensorsParsingError) as error:
        raise SourceError(f"{subject}: {reason(error, token)}") from None
    except HUB_ERRORS as error:
        raise HubAway(f"{subject}: could not be had from the hub: {reason(error, token)}") from None
