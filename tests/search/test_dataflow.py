"""Paths decoded from genomes: always from the first parent's first block to its last."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.dataflow.path import LARGEST, SMALLEST, Hop, Path, read_path
from merging.recipe import Recipe
from search.dataflow import DataFlowSpace
from search.errors import SpaceError, SpecError
from search.spaces import make_space
from search.spec import ModelShape, SearchSpec, check_spec
from tests.search.specs import spec_data

KINDS = ["none", "hop", "pair", "network"]
SHAPES = {
    "base": ModelShape(4, tied_embeddings=True),
    "maths": ModelShape(4, tied_embeddings=True),
    "ja": ModelShape(3, tied_embeddings=True),
    "spare": ModelShape(1, tied_embeddings=True),
}


def data(**space: Any) -> dict[str, Any]:
    full = {"kind": "dataflow", "parents": ["maths", "ja"], "repeats": 2} | space
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
    assert space_of(repeats=2, scales="none").dimension == 5 + 7
    assert space_of(repeats=2, scales=False).genes == space_of(repeats=2, scales="none").genes
    assert space_of(repeats=2, scales=True).genes == space_of(repeats=2).genes


def test_published_defaults() -> None:
    space = space_of(repeats=3, scales="pair", initial_off=0)
    # 192 slots in the paper's 64 blocks; the two that are always visited have no switch.
    assert space.dimension == 3 * 7 - 2 + 7 * 7
    on = [gene.name for gene in space.genes if gene.initial == 1 / 3]
    assert on == ["use[maths 1 #1]", "use[maths 2 #1]"]
    assert {gene.initial for gene in space.genes[:19]} == {1 / 3, 0.0}
    assert {gene.initial for gene in space.genes[19:]} == {1.0}


@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("scales", KINDS)
@pytest.mark.parametrize("off", [-1 / 6, 0])
def test_the_initial_genome_is_the_first_parent(repeats: int, scales: str, off: float) -> None:
    space = space_of(repeats=repeats, scales=scales, initial_off=off)
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
    space = space_of(repeats=1, scales="none", max_length=4)
    hops = path_of(space.decode([0.5, 0.1, 0.3, 0.9, 0.3])).hops
    assert [(hop.model, hop.layer) for hop in hops] == [
        ("zoo/maths", 0),
        ("zoo/maths", 1),
        ("zoo/ja", 1),
        ("zoo/maths", 3),
    ]


@settings(deadline=None, max_examples=60)
@given(
    repeats=st.integers(1, 3),
    scales=st.sampled_from(KINDS),
    longest=st.none() | st.integers(2, 9),
    draw=st.data(),
)
def test_every_genome_is_a_path(
    repeats: int, scales: str, longest: int | None, draw: st.DataObject
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
    assert scales != "none" or not scaled


@settings(deadline=None, max_examples=60)
@given(
    bounds=st.sampled_from([(0.2, 5.0), (-5.0, -0.2), (0.5, 1.5)]),
    kind=st.sampled_from(KINDS[1:]),
    draw=st.data(),
)
def test_every_path_can_be_exported(
    bounds: tuple[float, float], kind: str, draw: st.DataObject
) -> None:
    low, high = bounds
    scale = {"low": low, "high": high, "initial": low}
    space = space_of(scale=scale, scales=kind, max_length=9)
    genome = [draw.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    product = 1.0
    for hop in path_of(space.decode(genome)).hops:
        product *= hop.scale
        assert SMALLEST <= round(abs(product), 9) <= LARGEST
        on_bound = math.isclose(abs(product), SMALLEST) or math.isclose(abs(product), LARGEST)
        assert hop.scale == 1 or low <= hop.scale <= high or on_bound
        assert kind == "network" or hop.scale == 1 or hop.scale in genome or on_bound
        assert math.copysign(1, hop.scale) == math.copysign(1, low) or hop.scale == 1


def test_a_pair_has_one_scale_whichever_slots_it_is_visited_from() -> None:
    space = space_of(repeats=2, scales="pair", max_length=9)
    names = [gene.name for gene in space.genes]
    values = {gene.name: gene.initial for gene in space.genes}
    for slot in ("maths 1 #1", "maths 2 #1", "maths 1 #2", "maths 2 #2", "ja 0 #2"):
        values[f"use[{slot}]"] = 1.0
    values["scale[maths 1 > maths 2]"] = 1.25
    values["scale[maths 2 > ja 0]"] = 0.75
    values["scale[ja 0 > maths 3]"] = 0.5
    values["scale[maths 0 > maths 2]"] = 1.5
    hops = path_of(space.decode([values[name] for name in names])).hops
    assert [(hop.model.removeprefix("zoo/"), hop.layer, hop.scale) for hop in hops] == [
        ("maths", 0, 1.0),
        ("maths", 1, 1.0),
        ("maths", 2, 1.25),
        ("maths", 1, 1.0),
        ("maths", 2, 1.25),
        ("ja", 0, 0.75),
        ("maths", 3, 0.5),
    ]


def test_a_network_tells_blocks_parents_and_steps_apart() -> None:
    space = space_of(repeats=3, scales="network", max_length=30)
    genome = [1.0 if gene.edges else gene.initial for gene in space.genes]
    # Far fewer weights than a matrix has entries, and no more of them for deeper models.
    assert sum(not gene.edges for gene in space.genes) == 8 * (4 + 2) + 9
    output = [0.7, -0.4, 0.9, -0.8, 0.3, 0.5, -0.6, 0.2, 0.0]
    hops = path_of(space.decode([*genome[:-9], *output])).hops
    steps = [(before.model, before.layer, hop.model, hop.layer) for before, hop in pairwise(hops)]
    # The same two blocks at another step have another scale.
    assert len(set(steps)) < len(steps)
    assert len({hop.scale for hop in hops[1:]}) == len(steps)
    assert all(0.5 <= hop.scale <= 1.5 for hop in hops)
    for bias, wanted in ((3.0, 1 + 0.5 * math.tanh(3)), (-3.0, 1 - 0.5 * math.tanh(3))):
        assert path_of(space.decode([*genome[:-1], bias])).hops[1].scale == pytest.approx(wanted)


def test_scales_may_multiply() -> None:
    space = space_of(repeats=1, scale={"low": 0.5, "high": 2, "initial": 1, "scale": "log"})
    gene = space.genes[-1]
    assert (gene.low, gene.high, gene.initial) == (math.log(0.5), math.log(2), 0)
    genome = [*(gene.initial for gene in space.genes[:-1]), math.log(1.5)]
    assert path_of(space.decode(genome)).hops[-1].scale == pytest.approx(1.5)


@settings(deadline=None, max_examples=60)
@given(repeats=st.integers(1, 3), scales=st.sampled_from(KINDS), draw=st.data())
def test_a_path_through_slots_has_a_genome(repeats: int, scales: str, draw: st.DataObject) -> None:
    space = space_of(repeats=repeats, scales=scales, max_length=30)
    on = draw.draw(st.lists(st.booleans(), min_size=len(space.slots), max_size=len(space.slots)))
    inner = [(one.alias, one.layer) for one, used in zip(space.slots, on, strict=True) if used]
    genome = space.encode([("maths", 0), *inner, ("maths", 3)])
    assert genome is not None
    hops = path_of(space.decode(genome)).hops
    assert [(hop.model, hop.layer) for hop in hops[1:-1]] == [(f"zoo/{a}", n) for a, n in inner]
    assert all(hop.scale == 1 for hop in hops)


def test_what_is_no_path_of_the_space_has_no_genome() -> None:
    space = space_of(repeats=1, max_length=5)
    ends = [("maths", 0), ("maths", 3)]
    assert space.encode(ends) is not None
    assert space.encode([("ja", 0), ("maths", 3)]) is None
    assert space.encode([ends[0], ("ja", 1), ("ja", 0), ends[1]]) is None
    inner = [("maths", 1), ("maths", 2), ("ja", 0), ("ja", 1)]
    assert space.encode([ends[0], *inner, ends[1]]) is None
    far = space_of(repeats=1, scale={"low": 0.2, "high": 0.9, "initial": 0.5})
    assert far.encode(ends) is None


def test_the_probe_visits_every_model() -> None:
    hops = path_of(space_of(parents=["maths", "spare", "ja"]).probes()[0]).hops
    assert [(hop.model, hop.layer) for hop in hops] == [
        ("zoo/maths", 0),
        ("zoo/spare", 0),
        ("zoo/ja", 0),
        ("zoo/maths", 3),
    ]
    assert [hop.scale for hop in hops] == [1.0, 1.5, 1.5, 1.5]
    plain = path_of(space_of(scales="none").probes()[0])
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
        (
            {"scale": {"low": 0.5, "high": 2, "initial": 1, "shared": True}},
            "scale.shared",
            "no groups",
        ),
        ({"scales": "many"}, "scales", "'none', 'hop', 'pair' or 'network'"),
        ({"initial_on": 0}, "initial_on", "greater than 0"),
        ({"initial_off": 0.1}, "initial_off", "less than or equal to 0"),
        ({"method": "linear"}, "method", "no such field"),
    ],
)
def test_what_is_wrong_with_a_spec(changed: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(data(**changed))
    (error,) = caught.value.errors
    assert error.field == f"stages.0.space.{field}"
    assert message in error.message


def test_a_matrix_over_a_large_pool_is_refused() -> None:
    spec = SearchSpec.parse(data(scales="pair"))
    large = ModelShape(80, tied_embeddings=True)
    shapes = SHAPES | {"maths": large, "ja": large}
    (error,) = check_spec(spec, shapes)
    assert error.field == "stages.0.space.scales"
    assert "160 blocks would be 25600 genes" in error.message
    assert check_spec(SearchSpec.parse(data(scales="network")), shapes) == []
