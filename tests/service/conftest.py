"""An API without workers over a models folder of tiny Llamas."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.app import create_app
from service.database import Database
from service.settings import Settings
from tests.service.instant import Bench
from tests.tiny import CHAT_TEMPLATE, write_llama

Spec = dict[str, Any]

_SPEC: Spec = {
    "name": "tiny",
    "seed": 3,
    "models": {
        "base": {"ref": "tiny/base"},
        "left": {"ref": "tiny/left"},
        "right": {"ref": "tiny/right"},
    },
    "tasks": [{"task": "word_problems_ja"}],
    "stages": [
        {
            "name": "weights",
            "space": {
                "kind": "parameter",
                "method": "task_arithmetic",
                "base": "base",
                "parents": ["left", "right"],
                "layer_groups": 3,
            },
            "sampler": {"kind": "cmaes", "population": 4},
            "budget": {"trials": 8},
        }
    ],
}


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "left", "right")):
        write_llama(folder / "tiny" / name, seed)
    write_llama(folder / "tiny" / "wide", 9, hidden=48)
    other = CHAT_TEMPLATE.replace("<user>", "<user>?")
    for seed, (name, template) in enumerate(
        [("chat", CHAT_TEMPLATE), ("chat_too", CHAT_TEMPLATE), ("chat_other", other)]
    ):
        write_llama(folder / "tiny" / name, 20 + seed, chat=template)
    pickled = write_llama(folder / "tiny" / "pickled", 10)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    outside = write_llama(tmp_path_factory.mktemp("elsewhere") / "secret", 11)
    (folder / "link").symlink_to(outside)
    return folder


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database of each kind, migrated."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def settings(models_dir: Path, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", models_dir=models_dir, workers=0, local=True)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def bench(app: FastAPI, api: TestClient, settings: Settings) -> Bench:
    return Bench(api, app.state.database, settings)


@pytest.fixture
def spec() -> Spec:
    return deepcopy(_SPEC)
