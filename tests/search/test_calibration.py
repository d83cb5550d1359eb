"""Data-driven stages: the texts in their recipes, and weights that start from coefficients."""

from __future__ import annotations

from typing import Any

import pytest

from merging.recipe import Recipe
from merging.values import Choice, parse_setting, resolve
from search.calibration import start_recipe
from search.errors import SpecError
from search.groups import Grouping
from search.parameter_spec import ParameterSpaceSpec
from search.space import ParameterSpace
from search.spaces import make_space
from search.spec import SearchSpec
from tests.search.specs import SHAPES, make_spec, spec_data

LAYERS = 4
NAMES = [
    "model.embed_tokens.weight",
    *(
        f"model.layers.{layer}.{module}.weight"
        for layer in range(LAYERS)
        for module in ("self_attn.q_proj", "mlp.up_proj", "input_layernorm")
    ),
    "model.norm.weight",
]


def space_of(spec: SearchSpec, **options: Any) -> ParameterSpace:
    made = make_space(spec, spec.stages[0], SHAPES, **options)
    assert isinstance(made, ParameterSpace)
    return made


def errors_of(**space: Any) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        make_spec(space)
    return {error.field: error.message for error in caught.value.errors}


def test_a_stage_looks_at_the_first_task_unless_told_otherwise() -> None:
    fisher = {"method": "fisher", "base": None}
    plain = space_of(make_spec(fisher)).probes()[0]
    assert plain.calibration is not None
    assert plain.calibration.model_dump() == {
        "task": "word_problems_ja",
        "items": 64,
        "seed": 0,
        "models": {},
    }
    calibration = {"items": 8, "seed": 3, "parents": {"maths": "word_problems_en"}}
    told = space_of(make_spec({**fisher, "calibration": calibration})).probes()[0]
    assert told.calibration is not None
    assert told.calibration.task_of("zoo/maths") == "word_problems_en"
    assert told.calibration.task_of("zoo/ja") == "word_problems_ja"
    assert (told.calibration.items, told.calibration.seed) == (8, 3)
    assert Recipe.from_yaml(told.to_yaml()) == told
    assert space_of(make_spec()).probes()[0].calibration is None


@pytest.mark.parametrize(
    ("space", "field", "words"),
    [
        ({"calibration": {}}, "calibration", "looks at no texts"),
        ({"method": "ties", "calibration": {"items": 3}}, "calibration", "looks at no texts"),
        (
            {"method": "fisher", "base": None, "calibration": {"parents": {"other": "x"}}},
            "calibration.parents.other",
            "not among the parents",
        ),
        ({"method": "fisher", "base": None, "start": "adamerging"}, "start", "no weights of task"),
        ({"start": "magic"}, "start", "adamerging"),
        (
            {"method": "adamerging", "parameters": {"steps": {"low": 1, "high": 9, "initial": 2}}},
            "parameters.steps",
            "settled before the search",
        ),
        ({"method": "adamerging", "parameters": {"initial": 2}}, "parameters.initial", "at most 1"),
    ],
)
def test_what_is_wrong_is_named(space: dict[str, Any], field: str, words: str) -> None:
    assert words in errors_of(**space)[f"stages.0.space.{field}"]


def test_what_is_computed_before_the_search_is_no_gene() -> None:
    space = space_of(make_spec({"method": "adamerging", "parameters": {"steps": 20}}))
    assert [gene.name for gene in space.genes] == ["merge.lambda"]
    assert space.probes()[0].parameters["steps"] == 20


@pytest.mark.parametrize("modules", [[], ["self_attn"], ["mlp", "self_attn"], ["weight"]])
@pytest.mark.parametrize("layer_groups", [1, 3])
def test_a_tensors_group_is_the_one_whose_number_it_reads(
    modules: list[str], layer_groups: int
) -> None:
    grouping = Grouping.of(LAYERS, layer_groups, modules, embeddings=True, tied_embeddings=True)
    setting = parse_setting(grouping.setting([float(n) for n in range(len(grouping.names))]))
    assert isinstance(setting, Choice)
    for name in NAMES:
        layer = int(name.split(".")[2]) if "layers" in name else None
        t = 0.0 if layer is None else layer / (LAYERS - 1)
        assert grouping.group_of(name) == resolve(setting, name, t)


def test_without_a_group_of_their_own_tensors_outside_have_none() -> None:
    grouping = Grouping.of(LAYERS, 2, [], embeddings=False, tied_embeddings=True)
    assert grouping.group_of("model.embed_tokens.weight") is None
    assert grouping.group_of("model.layers.3.mlp.up_proj.weight") == 1


def test_weights_start_at_their_groups_mean_within_bounds() -> None:
    spec = make_spec(
        {
            "method": "ties",
            "layer_groups": 2,
            "start": "adamerging",
            "parameters": {"weight": {"low": 0.2, "high": 0.8, "initial": 0.5}},
        }
    )
    coefficients = {
        "model.layers.0.a": [0.3, 0.9],
        "model.layers.1.a": [0.5, 1.0],
        "model.layers.2.a": [0.1, 0.7],
        "model.layers.3.a": [0.1, 0.4],
    }
    started = space_of(spec, start=coefficients)
    plain = space_of(spec)
    starts = {gene.name: gene.initial for gene in started.genes}
    expected = {gene.name: gene.initial for gene in plain.genes} | {
        "maths.weight[layers 0-1]": pytest.approx(0.4),
        "maths.weight[layers 2-3]": 0.2,
        "ja.weight[layers 0-1]": 0.8,
        "ja.weight[layers 2-3]": pytest.approx(0.55),
    }
    assert starts == expected
    # What has no coefficient stays where it was, and so does everything that is no weight.
    assert starts["maths.weight[embeddings]"] == 0.5
    unmoved = [gene.name for gene in started.genes if gene in plain.genes]
    assert len(unmoved) == len(plain.genes) - 4


def test_a_start_is_a_recipe_of_the_same_models() -> None:
    calibration = {"task": "word_problems_en", "items": 5}
    spec = make_spec({"start": "adamerging", "calibration": calibration})
    space = spec.stages[0].space
    assert isinstance(space, ParameterSpaceSpec)
    recipe = start_recipe(spec, space)
    assert recipe is not None
    assert recipe.model_dump(mode="json", exclude_defaults=True) == {
        "merge_method": "adamerging",
        "models": [{"model": "zoo/maths"}, {"model": "zoo/ja"}],
        "base_model": "zoo/base",
        "calibration": calibration,
    }
    # The stage's own recipes look at nothing.
    assert space_of(spec).probes()[0].calibration is None
    plain = make_spec().stages[0].space
    assert isinstance(plain, ParameterSpaceSpec)
    assert start_recipe(make_spec(), plain) is None


def test_a_spec_with_a_start_is_read_back_equal() -> None:
    data = spec_data({"start": "adamerging", "calibration": {"parents": {"ja": "jsonl:own"}}})
    spec = SearchSpec.parse(data)
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
