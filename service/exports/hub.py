"""An exported folder as one commit of a repository on the Hugging Face hub, by its own library."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import structlog
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from service.errors import ServiceError
from service.exports.schemas import files_of
from service.settings import Settings

log = structlog.get_logger(__name__)

PAUSES = (5.0, 30.0, 120.0)
"""Seconds before each further attempt, beyond the library's own of single requests."""

# Names that an earlier export to the repository may have left, and this one does not have.
_OURS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?|expanded_recipe\.yaml")
# What another attempt does not mend: who we are, what we may do, what we sent.
_FINAL = {400, 401, 402, 403, 404, 413}

HUB_ERRORS = (httpx2.HTTPError, OSError, RuntimeError, ValueError)
"""What the library raises; it wraps the errors of threads."""

Report = Callable[[int, int], None]


class UploadFailed(ServiceError):
    """The hub has not taken the folder; the message says why, without a token or signed address."""


def hub_token(settings: Settings) -> str | None:
    """The operator's own token: the secret file's, else of HF_TOKEN or of `hf auth login`.

    Read each time that it is needed, so that a new one counts at once. Raises OSError where there
    is a setting and no such file.
    """
    if settings.hub_token_file is not None:
        return settings.hub_token_file.read_text(encoding="utf-8").strip() or None
    return get_token()


def upload(
    folder: Path,
    repository: str,
    *,
    public: bool,
    message: str,
    api: HfApi,
    report: Report | None = None,
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Put a folder's files into a repository as one commit, and give the commit's address.

    The repository is made if it is not there, private unless `public`; one that is there keeps its
    visibility and its other files, but for weights of an export before. `report` is told bytes
    uploaded, and bytes in all, after each file. What the hub holds already isn't sent again, and
    where all of it is there already no commit is made: so an upload that was cut anywhere, even
    after its commit, is mended by another. Raises UploadFailed.
    """
    for pause in [*pauses, None]:
        try:
            # Making a repository that is there already changes nothing.
            api.create_repo(repository, private=not public, exist_ok=True)
            return _attempt(folder, repository, message, api, report)
        except HUB_ERRORS as error:
            why = reason(error, str(api.token or ""))
            if pause is None or not _passing(error):
                raise UploadFailed(why) from None
            log.warning("upload_interrupted", repository=repository, reason=why, pause=pause)
            time.sleep(pause)
    raise AssertionError("unreachable")


def reason(error: Exception, token: str | None) -> str:
    """One line: what went wrong, and what caused that, without the token or signed addresses."""
    lines = [f"{type(one).__name__}: {one}" for one in _chain(error)]
    text = " ".join(" / ".join(lines).split())
    # The queries of addresses are signatures.
    text = re.sub(r"(https?://[^\s?']+)\?[^\s']*", r"\1", text)
    return text.replace(token, "***") if token else text


def _attempt(folder: Path, repository: str, message: str, api: HfApi, report: Report | None) -> str:
    there = api.model_info(repository)
    files = files_of(folder)
    size = sum(file.size for file in files)
    done = 0
    additions = []
    for file in files:
        addition = CommitOperationAdd(file.path, folder / file.path)
        # Small files go with the commit.
        if file.path.endswith((".safetensors", ".gguf")):
            api.preupload_lfs_files(repository, [addition])
        additions.append(addition)
        done += file.size
        if report is not None:
            report(done, size)
    names = {file.path for file in files}
    stale = [
        CommitOperationDelete(one.rfilename)
        for one in there.siblings or []
        if _OURS.fullmatch(one.rfilename) and one.rfilename not in names
    ]
    # The parent makes two uploads at once conflict, instead of becoming two commits.
    commit = api.create_commit(
        repository, [*stale, *additions], commit_message=message, parent_commit=there.sha
    )
    return commit.commit_url


def _passing(error: Exception) -> bool:
    """Whether another attempt may do better."""
    if isinstance(error, OfflineModeIsEnabled | ValueError):
        return False
    return not any(
        isinstance(one, HfHubHTTPError) and one.response.status_code in _FINAL
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
