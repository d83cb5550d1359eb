"""Paths decoded from genomes: always from the first parent's first block to its last."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.dataflow.path import LARGEST, SMALLEST, Hop, Path, read_path
from merging.recipe import Recipe
from search.dataflow import DataFlowSpace
from search.errors import SpaceError, SpecError
from search.spaces import make_space
from search.spec import ModelShape, SearchSpec
from tests.search.specs import spec_data

SHAPES = {
    "base": ModelShape(4, tied_embeddings=True),
    "maths": ModelShape(4, tied_embeddings=True),
    "ja": ModelShape(3, tied_embeddings=True),
    "spare": ModelShape(1, tied_embeddings=True),
}


def data(**space: Any) -> dict[str, Any]:
    full = {"kind": "dataflow", "parents": ["maths", "ja"]} | space
    stage = spec_data()["stages"][0] | {"space": full, "name": "layers"}
    return spec_data(stages=[stage])


def space_of(**space: Any) -> DataFlowSpace:
    spec = SearchSpec.parse(data(**space))
    made = make_space(spec, spec.stages[0], SHAPES)
    assert isinstance(made, DataFlowSpace)
    return made


def path_of(recipe: Recipe) -> Path:
    path = read_path(recipe)
    assert path is not None
    return path


def test_the_genes_of_a_small_space() -> None:
    space = space_of(repeats=1)
    slots = ["maths 1 #1", "maths 2 #1", "ja 0 #1", "ja 1 #1", "ja 2 #1"]
    names = [*(f"use[{slot}]" for slot in slots), *(f"scale[{slot}]" for slot in slots)]
    assert [gene.name for gene in space.genes] == [*names, "scale[last]"]
    # In later repetitions the first parent's ends may be visited again.
    assert space_of(repeats=2, scales=False).dimension == 5 + 7


@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("scales", [True, False])
def test_the_initial_genome_is_the_first_parent(repeats: int, scales: bool) -> None:
    space = space_of(repeats=repeats, scales=scales)
    recipe = space.decode([gene.initial for gene in space.genes])
    assert recipe.model_dump(mode="json", exclude_defaults=True) == {
        "merge_method": "passthrough",
        "slices": [{"sources": [{"model": "zoo/maths", "layer_range": [0, 4]}]}],
    }


def test_slots_that_are_on_are_visited_in_order_with_their_scales() -> None:
    space = space_of(repeats=1)
    indicators = [-0.1, 0.2, 0.0, 0.9, 0.3]
    scales = [1.4, 0.9, 1.4, 0.8, 1.0, 1.2]
    assert path_of(space.decode([*indicators, *scales])).hops == (
        Hop("zoo/maths", 0, 1.0),
        Hop("zoo/maths", 2, 0.9),
        Hop("zoo/ja", 1, 0.8),
        Hop("zoo/ja", 2, 1.0),
        Hop("zoo/maths", 3, 1.2),
    )


def test_a_path_that_is_too_long_loses_its_weakest_slots() -> None:
    space = space_of(repeats=1, scales=False, max_length=4)
    hops = path_of(space.decode([0.5, 0.1, 0.3, 0.9, 0.3])).hops
    assert [(hop.model, hop.layer) for hop in hops] == [
        ("zoo/maths", 0),
        ("zoo/maths", 1),
        ("zoo/ja", 1),
        ("zoo/maths", 3),
    ]


@given(
    repeats=st.integers(1, 3),
    scales=st.booleans(),
    longest=st.none() | st.integers(2, 9),
    draw=st.data(),
)
def test_every_genome_is_a_path(
    repeats: int, scales: bool, longest: int | None, draw: st.DataObject
) -> None:
    space = space_of(repeats=repeats, scales=scales, max_length=longest)
    genome = [draw.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    recipe = space.decode(genome)
    hops = path_of(recipe).hops
    assert 2 <= len(hops) <= (longest or 6)
    assert hops[0] == Hop("zoo/maths", 0, 1.0)
    assert (hops[-1].model, hops[-1].layer) == ("zoo/maths", 3)
    assert path_of(Recipe.from_yaml(recipe.to_yaml())).hops == hops
    scaled = any(hop.scale != 1 for hop in hops)
    assert scales or not scaled


@given(
    bounds=st.sampled_from([(0.2, 5.0), (-5.0, -0.2), (0.5, 1.5)]),
    draw=st.data(),
)
def test_every_path_can_be_exported(bounds: tuple[float, float], draw: st.DataObject) -> None:
    low, high = bounds
    space = space_of(scale={"low": low, "high": high, "initial": low}, max_length=9)
    genome = [draw.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    values = dict(zip((gene.name for gene in space.genes), genome, strict=True))
    product = 1.0
    for hop in path_of(space.decode(genome)).hops:
        product *= hop.scale
        assert SMALLEST <= round(abs(product), 9) <= LARGEST
        on_bound = math.isclose(abs(product), SMALLEST) or math.isclose(abs(product), LARGEST)
        assert hop.scale == 1 or hop.scale in values.values() or on_bound
        assert math.copysign(1, hop.scale) == math.copysign(1, low) or hop.scale == 1


def test_the_probe_visits_every_model() -> None:
    hops = path_of(space_of(parents=["maths", "spare", "ja"]).probes()[0]).hops
    assert [(hop.model, hop.layer) for hop in hops] == [
        ("zoo/maths", 0),
        ("zoo/spare", 0),
        ("zoo/ja", 0),
        ("zoo/maths", 3),
    ]
    assert [hop.scale for hop in hops] == [1.0, 1.5, 1.5, 1.5]
    plain = path_of(space_of(scales=False).probes()[0])
    assert all(hop.scale == 1 for hop in plain.hops)


def test_nonsense_is_refused() -> None:
    space = space_of()
    with pytest.raises(SpaceError, match="genes"):
        space.decode([0.0])
    with pytest.raises(SpaceError, match="NaN"):
        space.decode([math.nan] * space.dimension)
    with pytest.raises(SpaceError, match="one layer"):
        space_of(parents=["spare", "ja"])


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"parents": ["maths", "x"]}, "parents", "'x' is not among the models"),
        ({"parents": ["ja", "ja"]}, "parents", "listed 2 times"),
        ({"repeats": 0}, "repeats", "greater than or equal to 1"),
        ({"max_length": 1}, "max_length", "greater than or equal to 2"),
        ({"scale": {"low": -1, "high": 1, "initial": 1}}, "scale.low", "one side of it"),
        ({"scale": {"low": 0.5, "high": 2, "initial": [1, 1]}}, "scale.initial", "one number"),
        ({"method": "linear"}, "method", "no such field"),
    ],
)
def test_what_is_wrong_with_a_spec(changed: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(data(**changed))
    (error,) = caught.value.errors
    assert error.field == f"stages.0.space.{field}"
    assert message in error.message
