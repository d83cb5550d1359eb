"""Ray: a cluster of this process's own, gone when the process is, or one that is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints a notice about accelerators it may set one day; workers here never rely on it.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # One thread a worker: candidates are what runs in parallel, and sums stay in one order.
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}


@contextmanager
def joined_cluster(address: str) -> Iterator[None]:
    """Use the Ray cluster at `address` (host:port) for the length of the block.

    A node of it runs on this machine already. All nodes have this code, and the folders of models
    and data at the same paths. Raises ConnectionError where there is none.
    """
    _prepare()
    ray.init(address=address, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def local_cluster(cpus: int) -> Iterator[None]:
    """Run a private Ray on this machine for the length of the block.

    Call it from a thread that outlives the block's work: the kernel ends Ray's processes when the
    thread that started them ends, which is also why a killed service leaves none behind.
    """
    _prepare()
    # A path of its own, and short: Ray makes Unix sockets below it, whose paths have a limit.
    folder = Path(tempfile.mkdtemp(prefix="cuvee-ray-"))
    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=100 * 2**20,
        _temp_dir=str(folder),
    )
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
