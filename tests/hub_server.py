"""A hub on loopback that speaks what the installed huggingface_hub sends, and can fail on purpose.

What it answers was worked out from the library's requests (`HfApi.create_repo`, `repo_info`,
`preupload_lfs_files`, `create_commit`, `snapshot_download`), not from a description. Xet, the
hub's newer way of storing files, it doesn't speak: clients set HF_HUB_DISABLE_XET.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants
from huggingface_hub.utils.sha import git_hash

from tests.hub_state import Fault, Hub, Refused, Repository

_LARGE = (".safetensors", ".bin", ".gguf", ".model")


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Serve an empty hub on a free port of loopback."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def point_at(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the library in this process ask the hub, and keep what it gets in `cache`."""
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@dataclass
class _Answer:
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


def _json(data: object, status: int = 200) -> _Answer:
    return _Answer(json.dumps(data).encode(), {"Content-Type": "application/json"}, status)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what was asked is in `Hub.requests`."""

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.hub.fault(self.command, path)
        if fault is not None and fault.how == "cut":
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            self._note(path, 0)
            self._hang_up()
            return
        if fault is not None and fault.how == "hold":
            self.hub.held.set()
            self.hub.released.wait(timeout=120)
            self._hang_up()
            return
        body = self._body()
        if fault is not None and isinstance(fault.how, int):
            self._send(path, _json({"error": "on purpose"}, fault.how))
            return
        try:
            with self.hub.lock:
                answer = self._answer(path, body)
        except Refused as refused:
            answer = _json({"error": refused.message}, refused.status)
            if refused.code is not None:
                answer.headers["X-Error-Code"] = refused.code
            answer.headers["X-Error-Message"] = refused.message
        if fault is not None and fault.how == "lost":
            self._note(path, 0)
            self._hang_up()
        else:
            self._send(path, answer, fault)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _note(self, path: str, status: int) -> None:
        self.hub.requests.append((self.command, path, status))

    def _send(self, path: str, answer: _Answer, fault: Fault | None = None) -> None:
        self._note(path, answer.status)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if fault else answer.body)
        if fault is not None:
            if fault.how == "stall":
                self.hub.held.set()
                self.hub.released.wait(timeout=120)
            self._hang_up()

    def _answer(self, path: str, body: bytes) -> _Answer:
        where = path.strip("/").split("/")
        if where[0] == "store":
            return self._store(where[1], where[2] if len(where) > 2 else "", body)
        token = self._authorize()
        data = json.loads(body) if body and not path.startswith("/api/models/") else {}
        if path == "/api/repos/create":
            return self._create(data)
        if path == "/api/validate-yaml":
            return _validate(data)
        if where[0] == "api" and where[1] == "models":
            name = "/".join(where[2:4])
            return self._repository(name, where[4:], body, token)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(data)
        if len(where) > 4 and where[2] == "resolve":
            return self._resolve("/".join(where[:2]), where[3], "/".join(where[4:]), token)
        raise Refused(404, f"the test's hub has no {path}")

    def _authorize(self) -> str | None:
        """The token that was shown; None for nobody's, who may only look at what is public."""
        shown = self.headers.get("Authorization")
        if shown is None and self.command in {"GET", "HEAD"}:
            return None
        token = (shown or "").removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise Refused(401, "Invalid username or password.")
        return token

    def _create(self, data: dict[str, Any]) -> _Answer:
        name = f"{data['organization']}/{data['name']}"
        address = {"url": f"{self.hub.address}/{name}"}
        if name in self.hub.repositories:
            return _json(address | {"error": "You already created this model repo"}, 409)
        repository = Repository(private=data.get("visibility") == "private")
        repository.commit("initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self.hub.repositories[name] = repository
        return _json(address)

    def _found(self, name: str, token: str | None) -> Repository:
        found = self.hub.repositories.get(name)
        readers = self.hub.tokens if found is None or found.readers is None else found.readers
        if found is None or (found.private and token not in readers):
            # The hub tells nobody that there is one.
            raise Refused(404 if token else 401, "Repository not found", "RepoNotFound")
        return found

    def _repository(self, name: str, rest: list[str], body: bytes, token: str | None) -> _Answer:
        repository = self._found(name, token)
        if not rest or rest[0] == "revision":
            commit = repository.at("/".join(rest[1:]) or "main")
            return _json(
                {
                    "_id": "1",
                    "id": name,
                    "sha": commit.oid,
                    "private": repository.private,
                    "siblings": [_sibling(*one) for one in sorted(commit.files.items())],
                }
            )
        if rest[0] == "preupload":
            return _json(
                {"files": [self._mode(repository, one) for one in json.loads(body)["files"]]}
            )
        if rest[0] == "commit":
            return self._commit(name, repository, body)
        if rest[0] == "tree":
            return _json([_entry(path, content) for path, content in repository.head.files.items()])
        raise Refused(404, f"the test's hub has no {rest}")

    def _mode(self, repository: Repository, asked: dict[str, Any]) -> dict[str, Any]:
        path = asked["path"]
        there = repository.head.files.get(path)
        large = path.endswith(_LARGE)
        oid = None
        if there is not None:
            oid = hashlib.sha256(there).hexdigest() if large else git_hash(there)
        return {
            "path": path,
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            "oid": oid,
        }

    def _batch(self, data: dict[str, Any]) -> _Answer:
        objects = []
        for one in data["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.large:
                entry["actions"] = self._actions(one["oid"], one["size"])
            objects.append(entry)
        return _json({"transfer": "basic", "objects": objects})

    def _actions(self, oid: str, size: int) -> dict[str, Any]:
        place = f"{self.hub.address}/store/{oid}"
        upload: dict[str, Any] = {"href": f"{place}?X-Amz-Signature=secret"}
        chunk = self.hub.chunk_size
        if chunk is not None and size > chunk:
            parts = range(1, -(-size // chunk) + 1)
            header = {str(one): f"{place}/{one}?X-Amz-Signature=secret" for one in parts}
            upload = {"href": f"{place}/complete", "header": header | {"chunk_size": str(chunk)}}
        return {"upload": upload, "verify": {"href": f"{place}/verify"}}

    def _store(self, oid: str, what: str, body: bytes) -> _Answer:
        if what == "verify":
            wanted = json.loads(body)
            if len(self.hub.large.get(oid, b"")) != wanted["size"]:
                raise Refused(404, "this object is not here")
            return _json({})
        if what == "complete":
            numbers = [one["partNumber"] for one in json.loads(body)["parts"]]
            body = b"".join(self.hub.parts[oid, number] for number in numbers)
        elif what:
            self.hub.parts[oid, int(what)] = body
            return _Answer(headers={"ETag": hashlib.md5(body).hexdigest()})
        if hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, "the content is another")
        self.hub.large[oid] = body
        return _Answer(headers={"ETag": oid})

    def _commit(self, name: str, repository: Repository, body: bytes) -> _Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.head.oid):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.head.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.large:
                    raise Refused(400, f"the content of {value['path']} was not uploaded")
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                del files[value["path"]]
        commit = repository.commit(header["summary"], files)
        address = f"{self.hub.address}/{name}/commit/{commit.oid}"
        return _json({"success": True, "commitOid": commit.oid, "commitUrl": address})

    def _resolve(self, name: str, revision: str, path: str, token: str | None) -> _Answer:
        commit = self._found(name, token).at(revision)
        content = commit.files.get(path)
        if content is None:
            raise Refused(404, "Entry not found", "EntryNotFound")
        etag = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{etag}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return _Answer(content, headers)
        start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self.hub.ranges.append((path, start))
        return _Answer(content[start : end + 1], headers, 206)


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    entry = {"rfilename": path, "size": len(content), "blobId": git_hash(content)}
    if path.endswith(_LARGE):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
    return entry


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}


def _validate(data: dict[str, Any]) -> _Answer:
    """The hub's check of a card's metadata, as far as it is known: a mapping in YAML, with the
    names of repositories for `base_model` and text for `license`."""
    metadata = yaml.safe_load(data["content"].split("---\n")[1])
    bases = metadata.get("base_model") or []
    wrong = [one for one in bases if not re.fullmatch(r"[\w.-]+/[\w.-]+", one)]
    errors = [{"message": f"base_model: {one!r} is no repository"} for one in wrong]
    if not isinstance(metadata.get("license"), str):
        errors.append({"message": "license must be a string"})
    return _json({"errors": errors, "warnings": []}, 400 if errors else 200)
