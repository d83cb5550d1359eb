"""What a hub on loopback holds, and what is to go wrong with it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import Literal

TOKEN = "hf_loopback_test_token"


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass
class Fault:
    """The first `times` requests of `method` whose path contains `path` go wrong.

    `how` is a status to answer with; `cut`, the connection closed after half of the body; `lost`,
    the request carried out and the connection closed instead of an answer; `short`, closed after
    half of the answer's body; `stall`, left open there until `Hub.released` is set; or `hold`,
    nothing answered until then.
    """

    method: str
    path: str
    how: int | Literal["cut", "lost", "hold", "short", "stall"]
    times: int = 1


@dataclass
class Commit:
    """A commit: its id, its message and all files of the repository after it."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """A repository and its history, oldest first.

    A private one is open to `readers` alone, or, for None, to every token that there is.
    """

    private: bool
    readers: set[str] | None = None
    commits: list[Commit] = field(default_factory=list)

    def commit(self, message: str, files: dict[str, bytes]) -> Commit:
        digest = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits.append(Commit(digest, message, files))
        return self.commits[-1]

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """The commit of this id, or the last one for the branch `main`."""
        for commit in self.commits:
            if commit.oid == revision:
                return commit
        if revision != "main":
            raise Refused(404, "Revision not found", "RevisionNotFound")
        return self.head


@dataclass
class Hub:
    """What the server holds, the `requests` that it got (method, path and status), and of which
    files it was asked for a part, from which byte on (`ranges`)."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    chunk_size: int | None = None
    address: str = ""
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for one in self.faults:
                if one.times > 0 and one.method == method and one.path in path:
                    one.times -= 1
                    return one
        return None

    def add(self, name: str, files: dict[str, bytes], *, readers: set[str] | None = None) -> Commit:
        """A public repository with these files, or one that is private to `readers`."""
        self.repositories[name] = Repository(private=readers is not None, readers=readers)
        return self.repositories[name].commit("initial commit", files)

    def count(self, method: str, path: str) -> int:
        """How many requests of `method` had `path` in their path."""
        return sum(one == method and path in where for one, where, _ in self.requests)
