"""Bad input: one clear error that names the field, and nothing started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

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
