"""A Ray cluster of several nodes on this machine, each a tree of processes of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 120.0


class Node:
    """`ray start` in the foreground: on an address of loopback, with a folder of its own."""

    def __init__(
        self, folder: Path, address: str, arguments: list[str], environment: dict[str, str]
    ) -> None:
        self.address = address
        self._folder = folder
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block"]
        command += [f"--node-ip-address={address}", "--disable-usage-stats", *arguments]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to every process of the node, as when its machine loses power."""
        while found := list(self._processes()):
            for process in found:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.wait()
            time.sleep(0.05)

    def check(self) -> None:
        """Fail, with what it printed, if it has ended."""
        assert self._process.poll() is None, (self._folder / "log").read_text()

    def _processes(self) -> Iterator[int]:
        """Those that `ray start` began, and theirs: all share its environment's folder."""
        mark = f"CUVEE_TEST_NODE={self._folder}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    environment = (entry / "environ").read_bytes().split(b"\0")
                    alive = b"State:\tZ" not in (entry / "status").read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if mark in environment and alive:
                    yield int(entry.name)


class Cluster:
    """A head without CPUs and its nodes; `environment` is what whoever joins must have."""

    def __init__(self, head: Node, nodes: list[Node], port: int, environment: dict[str, str]):
        self.head = head
        self.nodes = nodes
        self.address = f"{head.address}:{port}"
        self.environment = environment


@contextmanager
def ray_cluster(cpus: list[int]) -> Iterator[Cluster]:
    """A cluster with a node for each entry, of so many CPUs, behind a token of its own."""
    # Short, as Ray makes sockets below it, whose paths have a limit.
    root = Path(tempfile.mkdtemp(prefix="cuvee-nodes-"))
    # With the end of line that openssl writes.
    (root / "token").write_text(f"{secrets.token_hex(32)}\n")
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(root / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "OMP_NUM_THREADS": "1",
    }
    port = _free_port()
    started: list[Node] = []

    def start(name: str, address: str, count: int, arguments: list[str]) -> Node:
        folder = root / name
        folder.mkdir()
        mine = os.environ | environment | {"CUVEE_TEST_NODE": str(folder)}
        options = [f"--num-cpus={count}", f"--temp-dir={folder}", "--object-store-memory=100000000"]
        started.append(Node(folder, address, [*options, *arguments], mine))
        return started[-1]

    try:
        head = start(
            "head", "127.0.0.1", 0, ["--head", f"--port={port}", "--include-dashboard=false"]
        )
        _await(head, port)
        nodes = [
            start(f"node{number}", f"127.0.0.{number + 2}", count, [f"--address=127.0.0.1:{port}"])
            for number, count in enumerate(cpus)
        ]
        yield Cluster(head, nodes, port, environment)
    finally:
        for node in reversed(started):
            node.kill()
        shutil.rmtree(root)


def _await(head: Node, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        head.check()
        try:
            socket.create_connection((head.address, port), timeout=1.0).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
