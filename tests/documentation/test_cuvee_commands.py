"""Every command of `cuvee` that a page shows is run, with real things for its example names.

What each must bring about is said by a rule; a command that no rule is for fails.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import SecretStr

from search.spec import SearchSpec
from service.client import ApiError, Client
from service.sealing import Seal
from service.webhooks.schemas import WebhookRequest
from tests.cluster import ray_cluster
from tests.documentation.commands import IN_BLOCKS, IN_SENTENCES, Command, distinct, name_of
from tests.documentation.examples import Examples, serving, tutorial
from tests.hub_state import TOKEN
from tests.running import ServiceProcess
from tests.waiting import until

Rule = Callable[[Examples, Command], None]
RULES: dict[str, Rule] = {}
LONG = ("--workers", "cuvee demo", "cuvee merge-experts", "cuvee twin", "--lambda auto")
"""What is in lines that take long: many workers or a cluster start, or whole tasks are scored."""


def runs(name: str) -> Callable[[Rule], Rule]:
    """Make a function the rule for a command of `cuvee`."""

    def register(rule: Rule) -> Rule:
        RULES[name] = rule
        return rule

    return register


def shown() -> list[Command]:
    """The commands of `cuvee` in blocks, and of those that sentences name what no block has."""
    in_blocks = distinct(IN_BLOCKS, "cuvee")
    covered = {name_of(command) for command in in_blocks}
    covered |= {name.partition(" ")[0] for name in covered}
    named = {name_of(command): command for command in distinct(IN_SENTENCES, "cuvee")}
    return [*in_blocks, *(named[name] for name in sorted(named.keys() - covered))]


def marked(command: Command) -> object:
    long = any(part in command.line for part in LONG)
    return pytest.param(command, id=str(command), marks=pytest.mark.long if long else ())


@pytest.mark.parametrize("command", [marked(one) for one in shown()])
def test_cuvee_does_what_the_page_says(command: Command, there: Examples) -> None:
    name = name_of(command)
    assert name in RULES, f"{command}: no rule runs {name!r}; write one in {Path(__file__).name}"
    RULES[name](there, command)


def test_every_rule_is_for_a_command_that_is_shown() -> None:
    assert RULES.keys() <= {name_of(command) for command in shown()}


@runs("serve")
def _(there: Examples, command: Command) -> None:
    if command.words == tutorial().words:
        with httpx.Client(base_url=there.client.address, trust_env=False) as http:
            assert http.get("/v1/health").json()["status"] == "ok"
            assert http.get("/v1/jobs").status_code == 200
        return
    with ExitStack() as stack:
        environment = {"CUVEE_PORT": "0", "CUVEE_WORKERS": "0"} | dict(command.environment)
        if "CUVEE_RAY_ADDRESS" in environment:
            cluster = stack.enter_context(ray_cluster([1, 1]))
            environment |= cluster.environment | {"CUVEE_RAY_ADDRESS": cluster.address}
        words = there.words(command)
        data = Path("data" if "data" in words else "cuvee-data")
        token = there.call("token", "create", "ann", "--data", str(data)).strip()
        service = ServiceProcess(serving(["cuvee", *words]), data, environment=environment)
        stack.enter_context(service)
        headers = {"Host": "cuvee.example"} if "CUVEE_ALLOWED_HOSTS" in environment else {}
        address = f"http://127.0.0.1:{service.port}"
        http = stack.enter_context(httpx.Client(base_url=address, headers=headers, trust_env=False))
        health = http.get("/v1/health", timeout=60.0).json()
        assert health["status"] == "ok"
        assert http.get("/v1/jobs").status_code == (200 if "--local" in words else 401)
        if health["workers"]:
            # Of more than the cluster has CPUs for, the rest wait.
            client = stack.enter_context(Client(address, token))
            least = 2 if "CUVEE_RAY_ADDRESS" in environment else health["workers"]
            until(lambda: sum(one.node is not None for one in client.workers()) >= least, 120.0)


@runs("submit")
def _(there: Examples, command: Command) -> None:
    job = there.client.cancel(there.run(command).strip())
    assert job.name == "small"
    assert job.priority == (20 if "--priority" in command.words else 10)


@runs("watch")
def _(there: Examples, command: Command) -> None:
    assert "jsonl:few" in there.run(command, JOB=there.running)
    assert there.client.job(there.running).state == "finished"


@runs("priority")
def _(there: Examples, command: Command) -> None:
    job = there.client.submit(Path("spec.yaml"))
    assert there.run(command, JOB=job.id) == "5\n"
    there.client.cancel(job.id)


@runs("extend")
def _(there: Examples, command: Command) -> None:
    before = there.client.job(there.extendable)
    there.run(command, JOB=before.id)
    assert before.trials_total is not None
    assert there.client.cancel(before.id).trials_total == before.trials_total + 200


@runs("jobs")
def _(there: Examples, command: Command) -> None:
    assert there.ended in there.run(command, token=there.token)


@runs("workers")
def _(there: Examples, command: Command) -> None:
    # One that was replaced, after a job was cancelled, say, has another name than it had.
    until(lambda: all(one.node is not None for one in there.client.workers()), 120.0)
    told = there.run(command)
    names = [one.name for one in there.client.workers()]
    assert names
    assert all(name in told for name in names)


@runs("export")
def _(there: Examples, command: Command) -> None:
    before = dict(there.hub.repositories)
    answer = there.run(command)
    if "--dry-run" in command.words:
        assert "To owner/name, private if it is new" in answer
        assert there.hub.repositories == before
    elif "--to" in command.words:
        commit = there.hub.repositories["owner/name"].head
        assert commit.oid in answer
        card = commit.files["README.md"].decode()
        assert "- org/maths\n" in card
        assert "- org/ja\n" in card
    else:
        written = {path.name for path in Path(answer.removesuffix("\n")).iterdir()}
        assert {"model.safetensors", "recipe.yaml", "evidence.json"} <= written
        assert ("model.gguf" in written) == ("--gguf" in command.words)


@runs("import")
def _(there: Examples, command: Command) -> None:
    answer = there.run(command, **{"owner/name": "others/child"})
    if "--submit" in command.words:
        assert there.client.cancel(answer.strip()).name == "imported"
    else:
        spec = SearchSpec.parse(yaml.safe_load(Path("spec.yaml").read_text()))
        assert {model.ref for model in spec.models.values()} == {"zoo/base", "zoo/maths", "zoo/ja"}


@runs("token create")
def _(there: Examples, command: Command) -> None:
    token = there.run(command).strip()
    words = there.words(command)
    data = words[words.index("--data") + 1]
    assert command.words[3] in there.call("token", "list", "--data", data)
    if data == str(there.service.data):
        with Client(there.client.address, token) as client:
            list(client.jobs())


@runs("token list")
def _(there: Examples, command: Command) -> None:
    assert "ann" in there.run(command)


@runs("token revoke")
def _(there: Examples, command: Command) -> None:
    made = there.new_token("ben", "jobs:read")
    assert there.run(command, ID=made.id) == "revoked\n"
    with Client(there.client.address, made.token) as client, pytest.raises(ApiError):
        list(client.jobs())


@runs("hub-token set")
def _(there: Examples, command: Command) -> None:
    assert there.run(command, typed=f"{TOKEN}\n") == "kept\n"
    assert there.client.hub_credential().set_at is not None


@runs("hub-token delete")
def _(there: Examples, command: Command) -> None:
    there.client.set_hub_credential(SecretStr(TOKEN))
    assert there.run(command) == "deleted\n"
    assert there.client.hub_credential().set_at is None


@runs("quota set")
def _(there: Examples, command: Command) -> None:
    assert re.search(r"trials_per_day.*5,000", there.run(command))
    assert there.client.quotas("ben").running_jobs.limit == 2


@runs("quota show")
def _(there: Examples, command: Command) -> None:
    assert "Quotas of local" in there.run(command)


@runs("webhook create")
def _(there: Examples, command: Command) -> None:
    webhook_id, secret = there.run(command).split()
    assert secret.startswith("whsec_")
    (made,) = [one for one in there.client.webhooks() if one.id == webhook_id]
    assert made.url == f"{there.receiver.address}/cuvee"
    assert set(made.kinds) == {"job.finished", "job.failed"}


@runs("webhook list")
def _(there: Examples, command: Command) -> None:
    assert "address" in there.run(command)


@runs("webhook retry")
def _(there: Examples, command: Command) -> None:
    made = there.client.create_webhook(WebhookRequest(url=f"{there.receiver.address}/"))
    assert there.call(*there.words(command), made.id) == "active\n"


@runs("key")
def _(there: Examples, command: Command) -> None:
    seal = Seal(there.run(command).strip())
    assert seal.open(seal.close("secret", "test"), "test") == "secret"


@runs("compress")
def _(there: Examples, command: Command) -> None:
    assert "Written to archive" in there.run(command)
    assert Path("archive/manifest.json").is_file()


@runs("decompress")
def _(there: Examples, command: Command) -> None:
    there.run(next(one for one in distinct(IN_BLOCKS, "cuvee") if name_of(one) == "compress"))
    assert there.run(command) == "maths-again\n"
    assert Path("maths-again/model.safetensors").is_file()


@runs("merge-experts")
def _(there: Examples, command: Command) -> None:
    assert "Written to child" in there.run(command)
    assert Path("child/model.safetensors").is_file()


@runs("twin")
def _(there: Examples, command: Command) -> None:
    assert "Written to recipes" in there.run(command)
    assert {path.name for path in Path("recipes").iterdir()} == {"maths.yaml", "ja.yaml"}


@runs("demo")
def _(there: Examples, command: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # It leaves its folder behind, to be looked at.
        patch.setattr(tempfile, "tempdir", str(Path.cwd()))
        assert "Loaded again with transformers" in there.run(command)
