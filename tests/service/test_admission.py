"""Bad input: one clear error that names the field, and nothing started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.controller.context import make_ready
from service.jobs.admission import admit
from service.settings import Settings
from service.tables import Job
from tests.service.conftest import Spec


def _space(spec: Spec) -> dict[str, Any]:
    space: dict[str, Any] = spec["stages"][0]["space"]
    return space


def _unknown_method(spec: Spec) -> None:
    _space(spec)["method"] = "alchemy"


def _wrong_length(spec: Spec) -> None:
    _space(spec)["parameters"] = {"weight": {"low": 0.0, "high": 1.0, "initial": [0.5, 0.5]}}


def _other_shape(spec: Spec) -> None:
    spec["models"]["right"]["ref"] = "tiny/wide"


def _path_of_other_blocks(spec: Spec) -> None:
    spec["stages"][0]["space"] = {"kind": "dataflow", "parents": ["left", "right"]}
    spec["models"]["right"]["ref"] = "tiny/wide"


def _no_base(spec: Spec) -> None:
    _space(spec)["method"] = "ties"
    del _space(spec)["base"]


def _unknown_task(spec: Spec) -> None:
    spec["tasks"][0]["task"] = "word_problems_jp"


def _unknown_search_metric(spec: Spec) -> None:
    spec["tasks"][0]["search_metric"] = "accuracy"


def _unknown_calibration(spec: Spec) -> None:
    _space(spec)["method"] = "adamerging"
    _space(spec)["calibration"] = {"task": "word_problems_jp"}


def _outside(spec: Spec) -> None:
    spec["models"]["right"]["ref"] = "../elsewhere"


def _link_outside(spec: Spec) -> None:
    spec["models"]["right"]["ref"] = "link"


def _absent(spec: Spec) -> None:
    spec["models"]["right"]["ref"] = "tiny/nobody"


def _pickled(spec: Spec) -> None:
    spec["models"]["right"]["ref"] = "tiny/pickled"


def _no_budget(spec: Spec) -> None:
    spec["stages"][0]["budget"]["trials"] = 0


def _same_names(spec: Spec) -> None:
    spec["stages"].append(spec["stages"][0])


def _unknown_field(spec: Spec) -> None:
    spec["bugdet"] = 3


def _too_many_groups(spec: Spec) -> None:
    _space(spec)["layer_groups"] = 4


@pytest.mark.parametrize(
    ("spoil", "field", "message"),
    [
        (_unknown_method, "stages.0.space.method", "alchemy"),
        (_wrong_length, "stages.0.space.parameters.weight.initial", "4"),
        (_other_shape, "stages.0.space", "model.embed_tokens.weight"),
        (_path_of_other_blocks, "stages.0.space", "model.layers.0."),
        (_no_base, "stages.0.space.base", "base"),
        (_unknown_task, "tasks.0.task", "word_problems_ja"),
        (_unknown_search_metric, "tasks.0.search_metric", "target_bits_per_char"),
        (_outside, "models.right.ref", "outside the models folder"),
        (_unknown_calibration, "stages.0.space.calibration.task", "word_problems_ja"),
        (_link_outside, "models.right.ref", "outside the models folder"),
        (_absent, "models.right.ref", "tiny/left"),
        (_pickled, "models.right.ref", "safetensors"),
        (_no_budget, "stages.0.budget.trials", "1"),
        (_same_names, "stages.1.name", "weights"),
        (_unknown_field, "bugdet", "no such field"),
        (_too_many_groups, "stages.0.space.layer_groups", "3"),
    ],
)
def test_bad_specs_are_refused(
    api: TestClient, spec: Spec, spoil: Callable[[Spec], None], field: str, message: str
) -> None:
    spoil(spec)
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors] == [field]
    assert message in errors[0]["message"]
    assert api.get("/v1/jobs").json() == []


def test_every_wrong_field_is_named_at_once(api: TestClient, spec: Spec) -> None:
    _unknown_task(spec)
    _absent(spec)
    answer = api.post("/v1/jobs", json=spec)
    assert [error["field"] for error in answer.json()["errors"]] == [
        "models.right.ref",
        "tasks.0.task",
    ]


@pytest.mark.parametrize(
    "text", ["", "- a\n- b", "name: [", "a: &x 1\nb: *x", "\x00", "!!python/object:os.system {}"]
)
def test_bodies_that_are_no_spec_are_refused(api: TestClient, text: str) -> None:
    answer = api.post("/v1/jobs", content=text, headers={"content-type": "application/yaml"})
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_body_that_is_not_utf8_is_refused(api: TestClient) -> None:
    answer = api.post("/v1/jobs", content=b"\xff\xfe")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body"


def test_one_task_on_the_holdout_of_another_is_refused(
    app: FastAPI, api: TestClient, spec: Spec, tmp_path: Path
) -> None:
    tasks = tmp_path / "tasks"
    (tasks / "gsm8k").mkdir(parents=True)
    (tasks / "mgsm").mkdir()
    line = json.dumps({"question": "2 + 3?", "answer": "It is 5.\n#### 5"})
    (tasks / "gsm8k" / "test.jsonl").write_text("\n".join([line] * 260))
    (tasks / "mgsm" / "mgsm_de.tsv").write_text("2 + 3?\t5\n" * 250)
    app.state.settings.tasks_dir = tasks
    spec["tasks"] = [{"task": "mgsm_de"}, {"task": "gsm8k", "weight": 2}]
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "tasks.0.task"
    assert "'mgsm_de' would search on problems that 'gsm8k' holds out" in error["message"]
    spec["tasks"] = [{"task": "gsm8k"}]
    assert api.post("/v1/jobs", json=spec).status_code == 201


def _in_chats(spec: Spec, base: str, left: str, right: str, chat: object) -> None:
    for alias, name in (("base", base), ("left", left), ("right", right)):
        spec["models"][alias]["ref"] = f"tiny/{name}"
    spec["tasks"][0]["chat"] = chat


@pytest.mark.parametrize(
    ("models", "chat", "messages"),
    [
        (("base", "left", "right"), True, ["none of the models has a chat template"]),
        (("base", "left", "right"), "left", ["'left'", "no chat template"]),
        (("chat", "chat_too", "chat_other"), True, ["differ", "base has", "right has"]),
        (("chat", "chat_too", "chat_other"), "nobody", ["'nobody' is not among the models"]),
    ],
)
def test_a_chat_that_no_template_answers_is_refused(
    api: TestClient, spec: Spec, models: tuple[str, str, str], chat: object, messages: list[str]
) -> None:
    _in_chats(spec, *models, chat)
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "tasks.0.chat"
    assert all(message in error["message"] for message in messages)


@pytest.mark.parametrize("chat", [3, "no such", None])
def test_a_chat_is_a_switch_or_a_model(api: TestClient, spec: Spec, chat: object) -> None:
    spec["tasks"][0]["chat"] = chat
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    assert all(error["field"].startswith("tasks.0.chat") for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("models", "asked"),
    [
        (("base", "left", "right"), (False, None)),
        (("chat", "chat_too", "chat"), (True, "chat")),
        (("chat", "chat_too", "chat_other"), ("right", "chat_other")),
    ],
)
def test_workers_learn_whose_template_a_task_takes(
    api: TestClient,
    spec: Spec,
    settings: Settings,
    models: tuple[str, str, str],
    asked: tuple[object, str | None],
) -> None:
    chat, folder = asked
    _in_chats(spec, *models, chat)
    assert api.post("/v1/jobs", json=spec).status_code == 201
    admitted = admit(json.dumps(spec), settings)
    job = Job(spec=admitted.spec.model_dump(mode="json"), model_digests=admitted.model_digests())
    context = make_ready(job, settings).context
    there = settings.models_dir.resolve() / "tiny"
    assert context.chat == ({} if folder is None else {"word_problems_ja": there / folder})


def test_a_stage_without_a_sampler_is_admitted_with_the_default(
    spec: Spec, settings: Settings
) -> None:
    """Written out, so that the job keeps it when its budget grows."""
    del spec["stages"][0]["sampler"]
    few, many = (
        admit(
            json.dumps(spec | {"stages": [spec["stages"][0] | {"budget": {"trials": n}}]}), settings
        )
        for n in (20, 2000)
    )
    kinds = [one.spec.stages[0].sampler for one in (few, many)]
    assert [one.kind for one in kinds if one is not None] == ["tpe", "cmaes"]
