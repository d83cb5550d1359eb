"""One service, and all else that the examples need, for every command that is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.documentation.examples import Examples, examples, lay_out
from tests.hub_server import hub_server, point_at
from tests.receiver import receiving


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    root = tmp_path_factory.mktemp("examples")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        hub = stack.enter_context(hub_server())
        point_at(hub, root / "cache", patch)
        receiver = stack.enter_context(receiving())
        yield stack.enter_context(examples(root, hub, receiver))


@pytest.fixture
def there(served: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examples:
    """The examples, seen from a new folder with the files that commands are given."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return served
