"""One service with its workers for all tests of a module, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.client import Client
from tests.running import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client
