"""Spaces in which the search chooses the method, the base and the parents."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.checkpoint import CheckpointInfo, inspect_checkpoint
from merging.checks import check_recipe
from merging.recipe import Recipe
from search.errors import SpecError
from search.space import ParameterSpace, Point
from search.spec import GeneRange, ParameterSpaceSpec, SearchSpec, check_spec
from tests.search.specs import SHAPES, make_spec, spec_data

ZOO = Path(__file__).parents[2] / "zoo"
SPECIALISTS = ["task_arithmetic", "ties", "dare_ties", "della", "breadcrumbs", "pcb"]
RANGES: list[dict[str, Any]] = [
    {},
    {"weight": {"low": 0.1, "high": 3, "initial": 0.5, "scale": "log"}},
    {"weight": {"low": 0.0, "high": 2, "initial": 0.5, "shared": True}},
]


def space_of(space: dict[str, Any]) -> ParameterSpace:
    spec = make_spec(space)
    (stage,) = spec.stages
    assert isinstance(stage.space, ParameterSpaceSpec)
    return ParameterSpace.from_spec(spec, stage.space, SHAPES)


@cache
def zoo() -> dict[str, CheckpointInfo]:
    found = {f"zoo/{one}": inspect_checkpoint(ZOO / one) for one in ("base", "maths", "ja")}
    return found | {"zoo/spare": found["zoo/base"]}


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    """Every way to choose: methods, bases that may be parents, fewer parents; any range."""
    parents = draw(st.permutations(["maths", "ja", "spare"]))
    bases = draw(st.sampled_from(["base", ["base", "maths"], ["ja", "maths", "base"]]))
    return {
        "method": draw(st.lists(st.sampled_from(SPECIALISTS), min_size=1, unique=True)),
        "base": bases,
        "parents": list(parents),
        "choose_parents": draw(st.sampled_from([None, {}, {"at_least": 2}])),
        "layer_groups": draw(st.sampled_from([1, 2, [1, 3], [1, 1, 2]])),
        "module_groups": draw(st.sampled_from([[], ["mlp"]])),
        "tensor_groups": draw(st.sampled_from([[], ["norm"]])),
        "parameters": draw(st.sampled_from(RANGES)),
    }


@settings(deadline=None, max_examples=60)
@given(choices(), st.data())
def test_every_genome_is_a_valid_recipe(asked: dict[str, Any], data: st.DataObject) -> None:
    space = space_of(asked)
    genome = [data.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    recipe = space.decode(genome)
    check_recipe(recipe, zoo())
    assert Recipe.from_yaml(recipe.to_yaml()).digest() == recipe.digest()
    assert recipe.models is not None
    listed = {entry.model for entry in recipe.models}
    assert recipe.base_model not in listed
    there = {f"zoo/{alias}" for alias in asked["parents"]} - {recipe.base_model}
    choice = asked["choose_parents"]
    fewest = len(there) if choice is None else choice.get("at_least", 1)
    assert fewest <= len(listed) <= len(there)


@settings(deadline=None, max_examples=60)
@given(choices(), st.data())
def test_what_a_genome_decides_has_a_genome(asked: dict[str, Any], data: st.DataObject) -> None:
    space = space_of(asked)
    genome = [data.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    point = space.point(genome)
    encoded = space.encode(point)
    assert encoded is not None
    again = space.point(encoded)
    assert again.cast == point.cast
    assert again.values.keys() == point.values.keys()
    for place, values in point.values.items():
        assert again.values[place] == pytest.approx(values, rel=1e-12)
    # A logarithm there and back may cost the last digit; all else keeps every one.
    if asked["parameters"].get("weight", {}).get("scale") != "log":
        assert space.decode(encoded).digest() == space.decode(genome).digest()


@settings(deadline=None, max_examples=60)
@given(choices(), st.data())
def test_inactive_genes_change_no_digest(asked: dict[str, Any], data: st.DataObject) -> None:
    space = space_of(asked)
    genome = [data.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    point = space.point(genome)
    active = {f"{owner or 'merge'}.{name}" for owner, name in point.values}
    changed = [
        value
        if gene.name.split("[")[0] in active or gene.name.startswith(("use[", "merge."))
        else gene.low + gene.high - value
        for gene, value in zip(space.genes, genome, strict=True)
    ]
    assert space.decode(changed).digest() == space.decode(genome).digest()
    for place, gene in enumerate(space.genes):
        if gene.name.split("[")[0] in active and not gene.edges:
            moved = gene.low if genome[place] != gene.low else gene.high
            other = [*genome[:place], moved, *genome[place + 1 :]]
            assert space.decode(other).digest() != space.decode(genome).digest()
            break


def test_methods_share_the_genes_of_one_name() -> None:
    space = space_of({"method": ["task_arithmetic", "ties", "della"], "layer_groups": 1})
    names = [gene.name for gene in space.genes]
    kinds = ("weight", "density", "epsilon")
    groups = ("layers 0-3", "embeddings")
    per_parent = [f"{a}.{k}[{g}]" for a in ("maths", "ja") for k in kinds for g in groups]
    assert names == [*per_parent, "merge.method"]
    gene = space.genes[-1]
    assert (gene.low, gene.high, gene.edges, gene.ordered) == (0, 1, (1 / 3, 2 / 3), False)
    start = [gene.initial for gene in space.genes]
    for number, method in ((0.1, "task_arithmetic"), (0.4, "ties"), (1.0, "della")):
        recipe = space.decode([*start[:-1], number])
        assert recipe.merge_method == method
        assert recipe.models is not None
        given = {"task_arithmetic": kinds[:1], "ties": kinds[:2], "della": kinds}[method]
        assert tuple(recipe.models[0].parameters) == given
    assert space.decode([*start[:-1], 0.9]).parameters == {"normalize": False, "random_seed": 7}


def test_a_model_that_is_the_base_is_no_parent() -> None:
    space = space_of({"base": ["base", "maths"], "layer_groups": 1, "embeddings": False})
    assert [gene.name for gene in space.genes] == [
        "maths.weight[layers 0-3]",
        "ja.weight[layers 0-3]",
        "merge.base",
    ]
    assert space.decode([0.1, 0.2, 0.0]).model_names() == ("zoo/maths", "zoo/ja", "zoo/base")
    other = space.decode([0.1, 0.2, 0.5])
    assert (other.base_model, other.model_names()) == ("zoo/maths", ("zoo/ja", "zoo/maths"))


def test_too_few_and_too_many_parents_are_repaired_by_the_highest_switches() -> None:
    asked = {"parents": ["maths", "ja", "spare"], "choose_parents": {"at_least": 2}}
    space = space_of({**asked, "layer_groups": 1, "embeddings": False})
    assert [gene.name for gene in space.genes[3:]] == ["use[maths]", "use[ja]", "use[spare]"]
    base = "zoo/base"
    for switches, names in (
        ((-1, -0.2, -0.3), ("zoo/ja", "zoo/spare", base)),
        ((0.0, 0.5, 0.0), ("zoo/maths", "zoo/ja", base)),
        ((0.1, -0.5, 0.2), ("zoo/maths", "zoo/spare", base)),
        ((0.1, 0.5, 0.2), ("zoo/maths", "zoo/ja", "zoo/spare", base)),
    ):
        assert space.decode([0.5, 0.5, 0.5, *switches]).model_names() == names
    pair = space_of({**asked, "method": "slerp", "choose_parents": {}, "layer_groups": 1})
    assert [gene.name for gene in pair.genes[:2]] == ["merge.t[layers 0-3]", "merge.t[embeddings]"]
    recipe = pair.decode([0.5, 0.5, 0.3, 0.4, 0.2])
    assert recipe.model_names() == ("zoo/base", "zoo/ja")


def test_probes_meet_every_model_and_method() -> None:
    asked = {"parents": ["maths", "ja", "spare"], "choose_parents": {}, "layer_groups": 1}
    pairs = space_of({**asked, "method": "slerp", "base": ["base", "ja"]})
    assert [probe.model_names() for probe in pairs.probes()] == [
        ("zoo/base", "zoo/maths"),
        ("zoo/base", "zoo/ja"),
        ("zoo/base", "zoo/spare"),
        ("zoo/ja", "zoo/maths"),
        ("zoo/ja", "zoo/spare"),
    ]
    several = space_of({**asked, "method": ["ties", "fisher"], "calibration": {"items": 4}})
    ties, fisher = several.probes()
    assert (ties.merge_method, ties.calibration) == ("ties", None)
    assert fisher.merge_method == "fisher"
    assert fisher.base_model is None
    assert fisher.calibration is not None


def test_a_shared_range_has_one_gene_and_a_scale_its_own_steps() -> None:
    weight = {"low": 0.01, "high": 100, "initial": 1, "scale": "log"}
    density = {"low": 0.1, "high": 0.9, "initial": 0.5, "scale": "logit", "shared": True}
    asked = {"method": "ties", "parameters": {"weight": weight, "density": density}}
    space = space_of({**asked, "layer_groups": 2, "embeddings": False})
    first, _, share = space.genes[:3]
    assert [gene.name for gene in space.genes[:3]] == [
        "maths.weight[layers 0-1]",
        "maths.weight[layers 2-3]",
        "maths.density",
    ]
    assert (first.low, first.high, first.initial) == (math.log(0.01), math.log(100), 0)
    assert (share.low, share.high) == pytest.approx((-math.log(9), math.log(9)))
    recipe = space.decode([0.0, math.log(2), 0.0, -99, 99, 99])
    assert recipe.models is not None
    maths, ja = recipe.models
    assert maths.parameters == {"weight": (1.0, 1.0, 2.0, 2.0), "density": 0.5}
    assert ja.parameters == {"weight": (0.01, 0.01, 100.0, 100.0), "density": 0.9}


def test_whole_numbers_are_reached_in_equal_steps() -> None:
    whole = {"low": 0, "high": 2, "initial": 1}
    space = space_of(
        {"method": "layer_swap", "base": None, "parameters": {"bottom": whole, "top": 1}}
    )
    bottom = space.genes[0]
    assert (bottom.name, bottom.initial, bottom.edges) == ("merge.bottom", 0.5, (1 / 3, 2 / 3))
    start = [gene.initial for gene in space.genes]
    widths = [space.decode([x, *start[1:]]).parameters["bottom"] for x in (0, 0.34, 0.67, 1)]
    assert widths == [0, 1, 2, 2]


def test_what_the_space_does_not_have_is_not_encoded() -> None:
    space = space_of({"method": "ties", "parameters": {"density": 0.3}})
    point = space.point([gene.initial for gene in space.genes])
    assert space.encode(point) == tuple(gene.initial for gene in space.genes)
    for name, value, there in (
        ("density", 0.3, True),
        ("density", 0.5, False),
        ("weight", 2.0, True),
        ("weight", 2.1, False),
    ):
        values = {**point.values, ("maths", name): (value,)}
        assert (space.encode(Point(point.cast, values)) is not None) is there
    lone = Point(type(point.cast)(point.cast.method, "base", ("ja",)), {})
    assert space.encode(lone) is None


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"method": ["ties", "magic"]}, "method", "unknown method 'magic'"),
    ({"method": ["ties", "ties"]}, "method", "'ties' is listed 2 times"),
    ({"method": []}, "method", "at least 1"),
    ({"method": ["ties", "slerp"]}, "method", "other roles"),
    ({"method": ["ties", "dare_ties"], "base": None}, "base", "'ties' needs a base model"),
    ({"method": ["linear", "average"]}, "base", "'linear' and 'average' takes no base model"),
    ({"method": ["ties", "della"], "parameters": {"t": 1}}, "parameters.t", "'ties' and 'della'"),
    ({"base": ["base", "x"]}, "base", "'x' is not among the models"),
    ({"base": ["base", "base"]}, "base", "listed 2 times"),
    ({"base": ["base", "ja"], "parents": ["ja"]}, "parents", "1 parents or more besides the base"),
    ({"choose_parents": {"at_least": 3}}, "choose_parents.at_least", "must be at most 2"),
    ({"choose_parents": {"at_least": 0}}, "choose_parents.at_least", "greater than or equal to 1"),
    (
        {"method": "slerp", "choose_parents": {"at_least": 2}},
        "choose_parents.at_least",
        "must be at most 1",
    ),
    ({"layer_groups": []}, "layer_groups", "at least 1"),
    ({"layer_groups": [0, 4]}, "layer_groups.0", "greater than or equal to 1"),
    ({"tensor_groups": ["a", "a"]}, "tensor_groups", "listed 2 times"),
    (
        {"parameters": {"weight": {"low": 0, "high": 1, "initial": 1, "scale": "log"}}},
        "parameters.weight.scale",
        "needs a range above 0",
    ),
    (
        {"parameters": {"weight": {"low": 0.1, "high": 1, "initial": 1, "scale": "logit"}}},
        "parameters.weight.scale",
        "needs a range below 1",
    ),
    (
        {"parameters": {"weight": {"low": 0, "high": 1, "initial": [1] * 5, "shared": True}}},
        "parameters.weight.initial",
        "there are 1 gene groups",
    ),
    (
        {
            "method": "layer_swap",
            "base": None,
            "parameters": {"top": {"low": 0.2, "high": 1.5, "initial": 1}},
        },
        "parameters.top.high",
        "two whole numbers",
    ),
    (
        {"base": ["base", "spare"], "start": "adamerging"},
        "start",
        "needs one base",
    ),
]


@pytest.mark.parametrize(("changed", "field", "words"), WRONG, ids=lambda one: str(one)[:60])
def test_what_is_wrong_with_a_choice(changed: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(spec_data(changed))
    (error,) = caught.value.errors
    assert error.field == f"stages.0.space.{field}"
    assert words in error.message


def test_lengths_must_add_up_to_the_layers() -> None:
    (error,) = check_spec(make_spec({"layer_groups": [1, 2]}), SHAPES)
    assert error.field == "stages.0.space.layer_groups"
    assert "add up to 3, but the models have 4" in error.message


def test_a_range_written_out_is_read_back() -> None:
    spec = make_spec({"method": ["ties", "della"], "base": ["base", "spare"], "choose_parents": {}})
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
    assert GeneRange(low=0.1, high=0.9, initial=0.5).scale == "linear"
