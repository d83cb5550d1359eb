"""Ways of answering that a task does not allow, or this machine, are refused at submission."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.controller.context import make_ready
from service.jobs.admission import admit
from service.settings import Settings
from service.tables import Job
from tests.service.conftest import Spec

FILES = {
    "whole.jsonl": '{"prompt": "1+1=", "answer": 2}',
    "asked.jsonl": '{"question": "1+1?", "answer": 2}',
    "strict.jsonl": '{"question": "1+1?", "answer": 2}',
    "strict.toml": 'extractor = "lm_eval_strict"',
    "native.jsonl": '{"question": "1+1?", "answer": 2}',
    "native.toml": 'extractor = "mgsm_native_cot_ja"\nlanguage = "ja"',
    "latex.jsonl": '{"problem": "Halve 1.", "answer": "1/2"}',
    "text.yaml": "task: text\noutput_type: generate_until\n",
    "pick.yaml": "task: pick\noutput_type: multiple_choice\n",
}
VOTE = {"kind": "self_consistency", "of": "direct"}


@pytest.fixture
def tasks_dir(app: FastAPI, tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    app.state.settings.tasks_dir = folder
    return folder


@pytest.mark.usefixtures("tasks_dir")
@pytest.mark.parametrize(
    ("task", "answer", "words"),
    [
        ("arithmetic", "chain_of_thought", "takes the first number of an answer"),
        ("arithmetic_grouped", "self_consistency", "takes the first number of an answer"),
        ("arithmetic", {"kind": "program", "agreement": True}, "takes the first number"),
        ("jsonl:whole", "program", "no question"),
        ("jsonl:whole", "chain_of_thought", "no question"),
        ("jsonl:whole", "self_verification", "no question"),
        ("jsonl:strict", "program", "'lm_eval_strict' reads no answer in a bare value"),
        ("jsonl:strict", "chain_of_thought", "'lm_eval_strict' reads no answer at the end"),
        ("jsonl:native", "program", "'mgsm_native_cot_ja' reads no answer in a bare value"),
        ("lm_eval:text", "program", "its own prompts"),
        ("lm_eval:text", {"kind": "self_consistency", "of": "chain_of_thought"}, "its own prompts"),
        ("lm_eval:pick", VOTE, "compares likelihoods"),
        ("lm_eval:pick", "program", "compares likelihoods"),
    ],
)
def test_what_means_nothing_is_refused(
    api: TestClient, spec: Spec, task: str, answer: object, words: str
) -> None:
    metric = {"lm_eval:pick": "acc"}.get(task, "exact_match")
    spec["tasks"] = [{"task": task, "metric": metric, "answer": answer}]
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["field"] == "tasks.0.answer"
    assert words in error["message"]


def test_likelihoods_are_not_answered(api: TestClient, spec: Spec) -> None:
    spec["tasks"][0] |= {"metric": "target_bits_per_char", "answer": VOTE}
    (error,) = api.post("/v1/jobs", json=spec).json()["errors"]
    assert error["field"] == "tasks.0.answer"
    assert "compares likelihoods" in error["message"]


@pytest.mark.usefixtures("tasks_dir")
@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("word_problems_ja", "self_verification"),
        ("numbers_fraction_add", "program"),
        ("numbers_integer_add", "chain_of_thought"),
        ("arithmetic", "program"),
        ("arithmetic", VOTE),
        ("jsonl:whole", VOTE),
        ("jsonl:asked", {"kind": "chain_of_thought", "agreement": True}),
        ("jsonl:strict", VOTE),
        ("jsonl:native", "chain_of_thought"),
        ("math:latex", "program"),
        ("math:latex", "chain_of_thought"),
        ("lm_eval:text", VOTE),
    ],
)
def test_what_means_something_is_admitted(
    api: TestClient, spec: Spec, task: str, answer: object
) -> None:
    spec["tasks"] = [{"task": task, "answer": answer}]
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == 201, response.text


def test_workers_learn_how_a_task_is_answered(spec: Spec, settings: Settings) -> None:
    spec["tasks"] = [
        {"task": "word_problems_ja", "answer": "direct"},
        {"task": "word_problems_en", "answer": {"kind": "program", "shots": 2}},
    ]
    admitted = admit(json.dumps(spec), settings)
    job = Job(spec=admitted.spec.model_dump(mode="json"), model_digests=admitted.model_digests())
    context = make_ready(job, settings).context
    assert context.answers == {"word_problems_en": admitted.spec.tasks[1].answer}
    assert context.seed == spec["seed"]


WITHOUT_SANDBOX = """
import json, sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pydantic_monty":
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from evaluators.task import Completion
from evaluators.tasks import load_task
from service.errors import Invalid
from service.jobs.admission import admit
from service.settings import Settings
from workers.answering import answered

settings = Settings(data_dir=Path(sys.argv[1]), models_dir=Path(sys.argv[2]), workers=0)
spec = json.loads(sys.argv[3])
for answer in json.loads(sys.argv[4]):
    spec["tasks"][0]["answer"] = answer
    try:
        admitted = admit(json.dumps(spec), settings).spec
        task = answered(load_task("word_problems_ja"), admitted.tasks[0].answer, chat=True, seed=0)
        item = task.items("search")[0]
        print("admitted", task.score(item, Completion(f"答えは{item.reference}。", False, 1)).value)
    except Invalid as error:
        print(*error.errors)
"""


def test_without_a_sandbox_nothing_that_needs_it_starts(
    spec: Spec, models_dir: Path, tmp_path: Path
) -> None:
    needing = [
        "program",
        "self_verification",
        {"kind": "self_consistency", "of": "program"},
        {"kind": "chain_of_thought", "agreement": True},
    ]
    answers = [*needing, "direct", "chain_of_thought", "self_consistency"]
    arguments = [str(tmp_path), str(models_dir), json.dumps(spec), json.dumps(answers)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SANDBOX, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *refused, direct, chain, voted = done.stdout.splitlines()
    message = "tasks.0.answer: programs cannot run here: pydantic-monty is not installed"
    assert len(refused) == len(needing)
    assert all(line.startswith(message) for line in refused)
    assert [direct, chain, voted] == ["admitted 1.0"] * 3
