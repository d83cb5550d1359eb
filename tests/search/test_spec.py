from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from search.errors import FieldError, SpecError
from search.spec import ModelShape, SearchSpec, check_spec
from tests.search.specs import SHAPES, make_spec, spec_data


def stage(**changes: Any) -> dict[str, Any]:
    return {**spec_data()["stages"][0], **changes}


def errors_of(data: object) -> list[FieldError]:
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(data)
    return list(caught.value.errors)


def in_space(**changes: Any) -> dict[str, Any]:
    return spec_data(changes)


SPACE = "stages.0.space"
RANGE = {"low": 0.0, "high": 1.0, "initial": 0.5}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("no name", spec_data(name=""), "name", "pattern"),
    ("path as name", spec_data(name="../x"), "name", "pattern"),
    ("long name", spec_data(name="x" * 101), "name", "pattern"),
    ("negative seed", spec_data(seed=-1), "seed", "greater than or equal to 0"),
    ("huge seed", spec_data(seed=2**53), "seed", "less than"),
    ("unknown field", spec_data(extra=1), "extra", "no such field"),
    ("no tasks", spec_data(tasks=[]), "tasks", "at least 1"),
    (
        "weight 0",
        spec_data(tasks=[{"task": "a", "weight": 0}]),
        "tasks.0.weight",
        "greater than 0",
    ),
    (
        "a task twice",
        spec_data(tasks=[{"task": "a"}, {"task": "a"}]),
        "tasks.1.task",
        "listed twice",
    ),
    ("no stages", spec_data(stages=[]), "stages", "at least 1"),
    ("top_k 0", spec_data(select={"top_k": 0}), "select.top_k", "greater than or equal to 1"),
    ("top_k 101", spec_data(select={"top_k": 101}), "select.top_k", "less than or equal"),
    ("no items", spec_data(items=0), "items", "greater than or equal to 1"),
    ("no time", spec_data(timeout_seconds=0), "timeout_seconds", "greater than 0"),
    ("bad alias", spec_data(models={"a+b": {"ref": "x"}}), "models.a+b", "pattern"),
    ("no reference", spec_data(models={"a": {}}), "models.a.ref", "is required"),
    ("empty reference", spec_data(models={"a": {"ref": ""}}), "models.a.ref", "pattern"),
    ("control character", spec_data(models={"a": {"ref": "x\x00y"}}), "models.a.ref", "pattern"),
    (
        "two stages of a name",
        spec_data(stages=[stage(), stage()]),
        "stages.1.name",
        "two stages are named 'weights'",
    ),
    (
        "budget 0",
        spec_data(stages=[stage(budget={"trials": 0})]),
        "stages.0.budget.trials",
        "greater than or equal to 1",
    ),
    (
        "unknown sampler",
        spec_data(sampler={"kind": "magic"}),
        "stages.0.sampler",
        "'magic'",
    ),
    (
        "sampler's field",
        spec_data(sampler={"kind": "cmaes", "population": 1}),
        "stages.0.sampler.population",
        "greater than or equal to 3",
    ),
    (
        "another sampler's field",
        spec_data(sampler={"kind": "random", "sigma": 1}),
        "stages.0.sampler.sigma",
        "no such field",
    ),
    (
        "two kinds of learning",
        spec_data(sampler={"kind": "optuna_cmaes", "separable": True, "lr_adapt": True}),
        "stages.0.sampler.lr_adapt",
        "is for the full covariance",
    ),
    (
        "unknown restarts",
        spec_data(sampler={"kind": "cmaes", "restarts": "always"}),
        "stages.0.sampler.restarts",
        "'none', 'ipop' or 'bipop'",
    ),
    (
        "sigma NaN",
        spec_data(sampler={"kind": "cmaes", "sigma": float("nan")}),
        "stages.0.sampler.sigma",
        "finite",
    ),
    ("unknown kind", in_space(kind="other"), SPACE, "'parameter', 'dataflow'"),
    ("unknown method", in_space(method="magic"), f"{SPACE}.method", "unknown method 'magic'"),
    (
        "missing base",
        in_space(method="ties", base=None),
        f"{SPACE}.base",
        "method 'ties' needs a base model",
    ),
    ("needless base", in_space(method="linear"), f"{SPACE}.base", "takes no base model"),
    ("undeclared base", in_space(base="x"), f"{SPACE}.base", "'x' is not among the models"),
    ("no parents", in_space(parents=[]), f"{SPACE}.parents", "at least 1"),
    ("undeclared parent", in_space(parents=["x"]), f"{SPACE}.parents", "not among the models"),
    ("parent twice", in_space(parents=["ja", "ja"]), f"{SPACE}.parents", "listed 2 times"),
    ("base as parent", in_space(parents=["ja", "base"]), f"{SPACE}.parents", "cannot be a parent"),
    ("no group", in_space(layer_groups=0), f"{SPACE}.layer_groups", "greater than or equal to 1"),
    (
        "module group twice",
        in_space(module_groups=["mlp", "mlp"]),
        f"{SPACE}.module_groups",
        "listed 2 times",
    ),
    ("bad filter", in_space(module_groups=["*"]), f"{SPACE}.module_groups.0", "pattern"),
    (
        "bounds the wrong way round",
        in_space(parameters={"weight": {"low": 1, "high": 1, "initial": 1}}),
        f"{SPACE}.parameters.weight.high",
        "greater than low, which is 1",
    ),
    (
        "start out of bounds",
        in_space(parameters={"weight": {"low": 0, "high": 1, "initial": 1.5}}),
        f"{SPACE}.parameters.weight.initial",
        "1.5 lies outside 0 to 1",
    ),
    (
        "one start out of bounds",
        in_space(parameters={"weight": {"low": 0, "high": 1, "initial": [0, 0, 0, 0, -1]}}),
        f"{SPACE}.parameters.weight.initial",
        "-1 lies outside 0 to 1",
    ),
    (
        "weight list of the wrong length",
        in_space(parameters={"weight": {"low": 0, "high": 1, "initial": [0.5] * 4}}),
        f"{SPACE}.parameters.weight.initial",
        "the list has 4 numbers, but there are 5 gene groups",
    ),
    (
        "density list of the wrong length",
        in_space(method="ties", parameters={"density": {"low": 0.1, "high": 1, "initial": [0.5]}}),
        f"{SPACE}.parameters.density.initial",
        "the list has 1 numbers, but there are 5 gene groups",
    ),
    (
        "text as weight",
        in_space(parameters={"weight": "much"}),
        f"{SPACE}.parameters.weight",
        "must be a number",
    ),
    (
        "density below 0",
        in_space(method="ties", parameters={"density": -0.1}),
        f"{SPACE}.parameters.density",
        "at least 0",
    ),
    (
        "density above 1",
        in_space(method="ties", parameters={"density": {"low": 0.1, "high": 1.5, "initial": 1}}),
        f"{SPACE}.parameters.density.high",
        "at most 1",
    ),
    (
        "needless density",
        in_space(parameters={"density": 0.5}),
        f"{SPACE}.parameters.density",
        "has no parameter 'density'; there are: weight",
    ),
    (
        "needless t",
        in_space(parameters={"t": RANGE}),
        f"{SPACE}.parameters.t",
        "has no parameter 't'",
    ),
    (
        "t out of its limits",
        in_space(method="slerp", base=None, parameters={"t": {"low": -1, "high": 1, "initial": 0}}),
        f"{SPACE}.parameters.t.low",
        "at least 0",
    ),
    (
        "slerp of one",
        in_space(method="slerp", base=None, parents=["ja"]),
        f"{SPACE}.parents",
        "exactly two models, not 1",
    ),
    (
        "slerp's base",
        in_space(method="slerp", base="ja"),
        f"{SPACE}.base",
        "starts from its first parent",
    ),
    (
        "slerp of three",
        in_space(method="slerp"),
        f"{SPACE}.parents",
        "exactly two models, not 3",
    ),
    (
        "nothing to search",
        in_space(method="average", base=None),
        "stages.0.budget.trials",
        "method 'average' has nothing to search here; give it one trial",
    ),
    (
        "a range for a switch",
        in_space(parameters={"normalize": RANGE}),
        f"{SPACE}.parameters.normalize",
        "no number that could be searched",
    ),
    (
        "choices for a number",
        in_space(parameters={"weight": {"choices": [True, False]}}),
        f"{SPACE}.parameters.weight",
        "give a range",
    ),
    (
        "a choice there is not",
        in_space(method="ties", parameters={"trim": {"choices": ["tensor", "row"]}}),
        f"{SPACE}.parameters.trim.choices.1",
        "must be one of tensor, model",
    ),
    (
        "a seed and a half",
        in_space(method="dare_ties", parameters={"random_seed": 1.5}),
        f"{SPACE}.parameters.random_seed",
        "whole number",
    ),
    (
        "slerp's weight",
        in_space(method="slerp", base=None, parameters={"weight": RANGE}),
        f"{SPACE}.parameters.weight",
        "has no parameter 'weight'; there are: t",
    ),
    (
        "starts of a stranger",
        in_space(starts={"nobody": {"weight": 0.5}}),
        f"{SPACE}.starts.nobody",
        "not among the parents",
    ),
    (
        "starts beyond the range",
        in_space(starts={"maths": {"weight": 99}}),
        f"{SPACE}.starts.maths.weight",
        "lies outside",
    ),
    (
        "starts for other groups",
        in_space(starts={"maths": {"weight": [0.1] * 9}}),
        f"{SPACE}.starts.maths.weight",
        "gene groups",
    ),
    (
        "starts of what is not searched",
        in_space(starts={"maths": {"density": 0.5}}),
        f"{SPACE}.starts.maths.density",
        "there are: weight",
    ),
    ("uneven grid", spec_data(baselines={"grid_step": 0.3}), "baselines.grid_step", "multiple"),
    ("fine grid", spec_data(baselines={"grid_step": 0.01}), "baselines.grid_step", "1000 points"),
    (
        "too many averages",
        spec_data(models=spec_data()["models"] | {f"m{i}": {"ref": "x"} for i in range(10)}),
        "baselines.averages",
        "1000 subsets",
    ),
]


@pytest.mark.parametrize(
    ("data", "field", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_one_clear_error_names_the_field(data: dict[str, Any], field: str, words: str) -> None:
    errors = errors_of(data)
    assert [error.field for error in errors] == [field]
    assert words in errors[0].message


def test_every_wrong_field_is_reported_at_once() -> None:
    data = spec_data(seed=-1, name="", stages=[stage(budget={"trials": 0})])
    assert [error.field for error in errors_of(data)] == ["name", "seed", "stages.0.budget.trials"]
    both = spec_data(stages=[stage(), stage(space=in_space(base=None)["stages"][0]["space"])])
    assert [error.field for error in errors_of(both)] == ["stages.1.name", "stages.1.space.base"]


def test_a_spec_that_is_no_mapping_is_refused() -> None:
    assert errors_of([1])[0].field == ""


def test_plain_validation_sees_contradictions_too() -> None:
    with pytest.raises(
        ValidationError, match=r"stages\.0\.space\.base: method 'ties' needs a base"
    ):
        SearchSpec.model_validate(spec_data({"method": "ties", "base": None}))


def test_yaml_round_trip() -> None:
    spec = make_spec(
        {
            "method": "ties",
            "parameters": {"density": {"low": 0.1, "high": 1, "initial": [0.5] * 5}},
        },
        items=100,
    )
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
    assert SearchSpec.from_yaml(json.dumps(spec.model_dump(mode="json"))) == spec


def test_defaults() -> None:
    spec = make_spec()
    assert (spec.tasks[0].metric, spec.tasks[0].weight) == ("exact_match", 1.0)
    assert (spec.select.top_k, spec.items, spec.timeout_seconds) == (10, None, 600)
    assert (spec.baselines.averages, spec.baselines.grid_step) == (True, 0.2)


def test_the_json_schema_describes_the_spec() -> None:
    schema = SearchSpec.json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "models", "tasks", "stages"}
    json.dumps(schema)


def test_a_spec_error_survives_pickling() -> None:
    error = SpecError.of([FieldError("a", "x"), FieldError("b", "y")])
    copy = pickle.loads(pickle.dumps(error))
    assert copy.errors == error.errors
    assert str(copy) == "a: x; b: y"


def test_check_spec_accepts_what_fits() -> None:
    assert check_spec(make_spec(), SHAPES) == []


def test_check_spec_names_groups_beyond_the_layers() -> None:
    errors = check_spec(make_spec({"layer_groups": 5}), SHAPES)
    assert errors == [
        FieldError("stages.0.space.layer_groups", "5 groups, but the models have 4 layers")
    ]


def test_check_spec_names_models_of_different_depth() -> None:
    shapes = SHAPES | {"ja": ModelShape(6, tied_embeddings=True)}
    (error,) = check_spec(make_spec(), shapes)
    assert error.field == "stages.0.space.parents"
    assert "maths 4, ja 6, base 4" in error.message
