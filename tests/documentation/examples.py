"""What stands for the example names of the documentation's commands, so that they run.

A service that the tutorial's own line starts, with models, tasks and jobs; a hub and a receiver of
webhooks on loopback.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from service.accounts.schemas import NewToken, TokenRequest
from service.app import create_app
from service.cli import app as cuvee
from service.client import Client
from service.sealing import new_key
from service.settings import Settings
from tests.documentation.commands import IN_BLOCKS, Command, distinct
from tests.hub_state import TOKEN, Hub
from tests.merging.test_gguf_writing import write_model
from tests.receiver import Receiver
from tests.running import REPOSITORY, ServiceProcess
from tests.service.exported import finished_job
from tests.zoo_spec import write_few, zoo_spec

ALIASES = ("base", "maths", "ja")
RECIPE = {
    "merge_method": "task_arithmetic",
    "base_model": "zoo/base",
    "models": [{"model": f"zoo/{name}", "parameters": {"weight": 0.5}} for name in ALIASES[1:]],
}


@dataclass
class Examples:
    """What examples stand for: a service and a client of it, a token of an administrator, jobs.

    `ended` and `extendable` have ended, `running` was submitted when the service began.
    """

    models: Path
    hub: Hub
    receiver: Receiver
    service: ServiceProcess
    client: Client
    token: str
    running: str
    ended: str
    extendable: str

    def names(self) -> dict[str, str]:
        """What each name stands for. Data folders of other services than the one that is here are
        `data` in the folder of a test; so are all files and folders that no entry is for."""
        other = dict.fromkeys(("DATA", "/data", "/srv/cuvee/data", "/shared/data"), "data")
        models = ("MODELS", "~/models", "/srv/cuvee/models", "/shared/models")
        return (
            other
            | dict.fromkeys(models, str(self.models))
            | {
                "~/cuvee": str(self.service.data),
                "https://cuvee.example": self.client.address,
                "https://receiver.example": self.receiver.address,
                "$CUVEE_TOKEN": self.token,
                "JOB": self.ended,
            }
        )

    def real(self, text: str, **more: str) -> str:
        """The text with what the examples in it stand for, and `more` of them."""
        names = self.names() | more
        longest_first = sorted(names, key=len, reverse=True)
        found = "|".join(map(re.escape, longest_first))
        return re.sub(rf"(?<![\w.~/-])(?:{found})(?![\w-])", lambda one: names[one[0]], text)

    def words(self, command: Command, **more: str) -> list[str]:
        """The command's words after the program, with what their examples stand for."""
        return [self.real(word, **more) for word in command.words[1:]]

    def run(
        self, command: Command, *, typed: str | None = None, token: str | None = None, **more: str
    ) -> str:
        """Run a command of `cuvee`, which must end well; gives what it prints.

        `typed` is its standard input; it calls the service with a token, or with none.
        """
        return self.call(*self.words(command, **more), typed=typed, token=token)

    def call(self, *words: str, typed: str | None = None, token: str | None = None) -> str:
        """Run `cuvee` with these words."""
        environment = {"CUVEE_URL": self.client.address, "CUVEE_TOKEN": token, "COLUMNS": "200"}
        done = CliRunner(env=environment).invoke(cuvee, words, input=typed)
        assert done.exit_code == 0, (
            f"run as {words}; Examples.names has what example names stand for\n"
            f"{done.output}\n{done.exception!r}"
        )
        return done.output

    def new_token(self, owner: str, *scopes: str) -> NewToken:
        """A token that the service has made."""
        asked = {"owner": owner, "scopes": scopes}
        return self.client.create_token(TokenRequest.model_validate(asked))


def lay_out(folder: Path) -> None:
    """Make the files and folders that examples find where they are given."""
    (folder / "spec.yaml").write_text(_search())
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    (folder / "zoo").symlink_to(REPOSITORY / "zoo")


@contextmanager
def examples(root: Path, hub: Hub, receiver: Receiver) -> Iterator[Examples]:
    """Make all of it below an empty folder, and serve by the tutorial's first line."""
    models, data = root / "models", root / "cuvee"
    for name in ALIASES:
        shutil.copytree(REPOSITORY / "zoo" / name, models / "zoo" / name)
        # A GGUF file holds no tokenizer such as the zoo's.
        write_model(models / "bytes" / name)
    ended, extendable = _ended_jobs(data, models, 2)
    hub.add("others/child", {"recipe.yaml": yaml.safe_dump(RECIPE).encode()})
    (root / "token").write_text(TOKEN)
    environment = {
        "CUVEE_PORT": "0",
        "CUVEE_WORKERS": "1",
        "CUVEE_TASKS_DIR": str(write_few(root / "tasks")),
        "CUVEE_SECRET_KEY": new_key(),
        "CUVEE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
        "CUVEE_HUB_TOKEN_FILE": str(root / "token"),
        "CUVEE_LOG_FORMAT": "json",
        "CUVEE_LOG_LEVEL": "debug",
        "HF_ENDPOINT": hub.address,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    paths = {"~/models": str(models), "~/cuvee": str(data)}
    words = [paths.get(word, word) for word in tutorial().words]
    service = ServiceProcess(serving(words), data, environment=environment)
    with service, service.client() as client:
        running = client.submit(_search()).id
        made = Examples(models, hub, receiver, service, client, "", running, ended, extendable)
        made.token = made.new_token("ann", "admin").token
        yield made


def tutorial() -> Command:
    """The line of the README that starts the service."""
    lines = (one for one in distinct(IN_BLOCKS, "cuvee") if one.page == "README.md")
    return next(one for one in lines if one.words[1] == "serve")


def serving(words: Sequence[str]) -> list[str]:
    """The words of a `cuvee` line as a command of this Python's."""
    return [sys.executable, "-m", "service.cli", *words[1:]]


def _search() -> str:
    return yaml.safe_dump(zoo_spec(trials=6, tasks=[{"task": "jsonl:few"}]))


def _ended_jobs(data: Path, models: Path, count: int) -> list[str]:
    """Jobs whose search took no time, over models that a GGUF file can hold."""
    spec: dict[str, Any] = zoo_spec(models={name: {"ref": f"bytes/{name}"} for name in ALIASES})
    spec["stages"][0]["space"]["layer_groups"] = 2
    app = create_app(Settings(data_dir=data, models_dir=models, workers=0, local=True))
    with TestClient(app, base_url="http://127.0.0.1") as api:
        return [finished_job(app, api, spec) for _ in range(count)]
