from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.catalogue import methods
from merging.recipe import Recipe
from merging.values import Scalar, parse_setting, resolve
from search.errors import SpaceError
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.space import ParameterSpace
from search.spec import ModelShape, ParameterSpaceSpec, SearchSpec
from tests.search.specs import SHAPES, make_spec, spec_data

IN_BLOCK = (
    "input_layernorm",
    "post_attention_layernorm",
    "self_attn.q_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def space_of(spec: SearchSpec, num_layers: int = 4, *, tied: bool = True) -> ParameterSpace:
    shapes = {alias: ModelShape(num_layers, tied_embeddings=tied) for alias in spec.models}
    return ParameterSpace.from_spec(spec, asked_of(spec), shapes)


def asked_of(spec: SearchSpec) -> ParameterSpaceSpec:
    space = spec.stages[0].space
    assert isinstance(space, ParameterSpaceSpec)
    return space


def values_of(recipe: Recipe, parent: int, name: str, num_layers: int) -> dict[str, Scalar | None]:
    """A parameter of one parent for every tensor of a Llama with untied embeddings, read as
    mergekit reads it."""
    data = recipe.model_dump(mode="json")
    setting = parse_setting(data["models"][parent]["parameters"][name])
    found = {
        "model.embed_tokens.weight": resolve(setting, "model.embed_tokens.weight", 0.0),
        "model.norm.weight": resolve(setting, "model.norm.weight", 1.0),
        "lm_head.weight": resolve(setting, "lm_head.weight", 1.0),
    }
    for layer in range(num_layers):
        depth = layer / (num_layers - 1) if num_layers > 1 else 0.0
        for part in IN_BLOCK:
            tensor = f"model.layers.{layer}.{part}.weight"
            found[tensor] = resolve(setting, tensor, depth)
    return found


def test_the_ten_genes_of_the_example() -> None:
    space = space_of(make_spec())
    groups = ["layers 0-0", "layers 1-1", "layers 2-2", "layers 3-3", "embeddings"]
    names = [f"{parent}.weight[{group}]" for parent in ("maths", "ja") for group in groups]
    assert [gene.name for gene in space.genes] == names
    assert space.dimension == 10
    assert {(gene.low, gene.high, gene.initial) for gene in space.genes} == {(-0.5, 2.0, 0.5)}
    recipe = space.decode([n / 10 for n in range(10)])
    assert recipe.model_names() == ("zoo/maths", "zoo/ja", "zoo/base")
    assert recipe.model_dump(mode="json", exclude_defaults=True) == {
        "merge_method": "task_arithmetic",
        "models": [
            {
                "model": f"zoo/{alias}",
                "parameters": {
                    "weight": [
                        {"filter": "embed_tokens", "value": last},
                        {"filter": "model.norm", "value": last},
                        {"filter": "*", "value": layers},
                    ]
                },
            }
            for alias, layers, last in (
                ("maths", [0.0, 0.1, 0.2, 0.3], 0.4),
                ("ja", [0.5, 0.6, 0.7, 0.8], 0.9),
            )
        ],
        "base_model": "zoo/base",
        "parameters": {"normalize": False},
    }


def test_density_genes_follow_weights_and_masks_share_the_seed() -> None:
    space = space_of(
        make_spec({"method": "dare_ties", "layer_groups": 2, "module_groups": ["self_attn", "mlp"]})
    )
    assert space.dimension == 2 * 2 * (2 * 3 + 1)
    names = [gene.name for gene in space.genes]
    assert names[7] == "maths.density[layers 0-1/self_attn]"
    assert "ja.density[layers 2-3/mlp]" in names
    assert "ja.density[layers 2-3/rest]" in names
    recipe = space.decode([gene.initial for gene in space.genes])
    assert recipe.parameters == {"normalize": False, "random_seed": 7}


def test_a_fixed_density_is_no_gene() -> None:
    space = space_of(make_spec({"method": "ties", "parameters": {"density": 0.3}}))
    assert space.dimension == 10
    recipe = space.decode([0.5] * 10)
    assert recipe.parameters["density"] == 0.3


def test_linear_averages() -> None:
    space = space_of(make_spec({"method": "linear", "base": None}))
    assert {(gene.low, gene.high) for gene in space.genes} == {(0.0, 1.0)}
    recipe = space.decode([0.5] * 10)
    assert recipe.base_model is None
    assert recipe.parameters == {"normalize": True}


def test_slerp_has_one_t_for_both_parents() -> None:
    space = space_of(make_spec({"method": "slerp", "base": None, "layer_groups": 2}))
    names = [f"maths-ja.t[{group}]" for group in ("layers 0-1", "layers 2-3", "embeddings")]
    assert [gene.name for gene in space.genes] == names
    recipe = space.decode([0.1, 0.2, 0.3])
    assert (recipe.base_model, recipe.model_names()) == ("zoo/maths", ("zoo/maths", "zoo/ja"))
    assert recipe.parameters["t"] == parse_setting(
        [
            {"filter": "embed_tokens", "value": 0.3},
            {"filter": "model.norm", "value": 0.3},
            {"filter": "*", "value": [0.1, 0.1, 0.2, 0.2]},
        ]
    )


def test_slerp_may_name_its_base_apart() -> None:
    apart = space_of(make_spec({"method": "slerp", "base": "maths", "parents": ["ja"]}))
    listed = space_of(make_spec({"method": "slerp", "base": None}))
    assert apart.genes == listed.genes
    assert apart.decode([0.2] * 5) == listed.decode([0.2] * 5)


def test_whole_numbers_and_choices_have_one_gene_each() -> None:
    asked = {
        "method": "dare_ties",
        "layer_groups": 2,
        "parameters": {
            "density": 0.5,
            "random_seed": 3,
            "rescale": {"choices": [True, False]},
            "lambda": {"low": 0, "high": 2, "initial": 1},
        },
    }
    space = space_of(make_spec(asked))
    names = [gene.name for gene in space.genes]
    assert names[6:] == [
        "merge.lambda[layers 0-1]",
        "merge.lambda[layers 2-3]",
        "merge.lambda[embeddings]",
        "merge.rescale",
    ]
    for gene, switch in ((0.0, True), (0.49, True), (0.5, False), (1.0, False)):
        recipe = space.decode([0.5] * 9 + [gene])
        assert recipe.parameters["rescale"] is switch
        assert recipe.parameters["random_seed"] == 3


def test_a_method_without_parameters_has_one_recipe() -> None:
    stage = spec_data({"method": "average", "base": None})["stages"][0]
    spec = make_spec(stages=[stage | {"budget": {"trials": 1}}])
    space = space_of(spec)
    assert space.dimension == 0
    assert space.decode([]).model_dump(mode="json", exclude_defaults=True) == {
        "merge_method": "average",
        "models": [{"model": "zoo/maths"}, {"model": "zoo/ja"}],
    }
    sampler = make_sampler(chosen_sampler(spec.stages[0], space.genes), space.genes, seed=1)
    assert sampler.ask(1) == [()]


@pytest.mark.parametrize("name", sorted(set(methods()) - {"moe_merge"}))
def test_every_method_has_a_default_space(name: str) -> None:
    method = methods()[name]
    base = None if method.base == "none" else "base"
    count = method.max_parents or max(2, method.min_parents)
    space = {"method": name, "base": base, "parents": ["maths", "ja", "spare"][:count]}
    stage = spec_data(space)["stages"][0]
    searches = any(parameter.search for parameter in method.parameters)
    spec = make_spec(stages=[stage | {"budget": {"trials": 9 if searches else 1}}])
    made = space_of(spec)
    assert (made.dimension > 0) == searches
    for genome in ([g.low for g in made.genes], [g.high for g in made.genes]):
        recipe = made.decode(genome)
        assert recipe.merge_method == name
        assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_a_start_for_every_group() -> None:
    starts = [0.1, 0.2, 0.3, 0.4, 0.5]
    space = space_of(
        make_spec({"parameters": {"weight": {"low": 0, "high": 1, "initial": starts}}})
    )
    assert [gene.initial for gene in space.genes] == starts * 2


def test_one_group_and_no_embeddings_is_one_plain_number() -> None:
    space = space_of(make_spec({"layer_groups": 1, "embeddings": False}))
    assert [gene.name for gene in space.genes] == [
        f"{a}.weight[layers 0-3]" for a in ("maths", "ja")
    ]
    recipe = space.decode([0.25, 0.75])
    assert recipe.models is not None
    assert [entry.parameters["weight"] for entry in recipe.models] == [0.25, 0.75]


def test_genomes_are_clipped_and_nonsense_is_refused() -> None:
    space = space_of(make_spec())
    assert space.decode([9.0] * 10) == space.decode([2.0] * 10)
    assert space.decode([-math.inf] * 10) == space.decode([-0.5] * 10)
    with pytest.raises(SpaceError, match="9 genes"):
        space.decode([0.5] * 9)
    with pytest.raises(SpaceError, match="NaN"):
        space.decode([math.nan] * 10)


def test_what_check_spec_finds_is_refused_here_too() -> None:
    with pytest.raises(SpaceError, match="5 layer groups"):
        space_of(make_spec({"layer_groups": 5}))
    spec = make_spec()
    with pytest.raises(SpaceError, match="layers"):
        ParameterSpace.from_spec(
            spec, asked_of(spec), SHAPES | {"ja": ModelShape(6, tied_embeddings=True)}
        )


@st.composite
def spaces(draw: st.DrawFn) -> tuple[SearchSpec, int]:
    num_layers = draw(st.integers(1, 12))
    space = {
        "method": draw(st.sampled_from(["task_arithmetic", "ties", "dare_linear", "dare_ties"])),
        "parents": draw(st.sampled_from([["maths"], ["maths", "ja"], ["ja", "spare", "maths"]])),
        "layer_groups": draw(st.integers(1, num_layers)),
        "module_groups": draw(st.sampled_from([[], ["self_attn"], ["self_attn", "mlp"]])),
        "tensor_groups": draw(st.sampled_from([[], ["norm"], ["up_proj", "embed_tokens"]])),
        "embeddings": draw(st.booleans()),
    }
    return make_spec(space), num_layers


@given(spaces(), st.data())
def test_every_tensor_takes_its_groups_gene(
    case: tuple[SearchSpec, int], data: st.DataObject
) -> None:
    spec, num_layers = case
    asked = asked_of(spec)
    space = space_of(spec, num_layers, tied=False)
    kinds = ["weight", "density"] if asked.method != "task_arithmetic" else ["weight"]
    assert space.dimension == len(asked.parents) * asked.groups * len(kinds)
    assert len({gene.name for gene in space.genes}) == space.dimension
    genome = [data.draw(st.floats(gene.low, gene.high)) for gene in space.genes]
    recipe = space.decode(genome)
    by_name = {gene.name: value for gene, value in zip(space.genes, genome, strict=True)}
    for parent, alias in enumerate(asked.parents):
        for kind in kinds:
            for tensor, value in values_of(recipe, parent, kind, num_layers).items():
                name = f"{alias}.{kind}[{group_of(tensor, spec, num_layers)}]"
                assert value == pytest.approx(by_name[name], abs=1e-9)


def group_of(tensor: str, spec: SearchSpec, num_layers: int) -> str:
    """The group of a tensor, worked out from the docstrings and not from the code."""
    asked = asked_of(spec)
    named = [one for one in asked.tensor_groups if one in tensor]
    if named:
        return named[0]
    layer = int(tensor.split(".")[2]) if ".layers." in tensor else None
    if layer is None:
        if asked.embeddings:
            return "embeddings"
        layer = 0 if "embed_tokens" in tensor else num_layers - 1
    start = 0
    assert isinstance(asked.layer_groups, int)
    for group in range(asked.layer_groups):
        extra = group < num_layers % asked.layer_groups
        end = start + num_layers // asked.layer_groups + extra
        if start <= layer < end:
            break
        start = end
    name = f"layers {start}-{end - 1}"
    if asked.module_groups:
        name += "/" + next((one for one in asked.module_groups if one in tensor), "rest")
    return name


@given(spaces(), st.integers(0, 2**32 - 1))
def test_recipes_survive_yaml_with_every_digit(case: tuple[SearchSpec, int], seed: int) -> None:
    spec, num_layers = case
    space = space_of(spec, num_layers)
    shares = [math.modf(math.sin(seed + index) * 1e4)[0] ** 2 for index in range(space.dimension)]
    genome = [
        gene.low + share * (gene.high - gene.low)
        for gene, share in zip(space.genes, shares, strict=True)
    ]
    recipe = space.decode(genome)
    assert Recipe.from_yaml(recipe.to_yaml()).digest() == recipe.digest()
    nudged = [math.nextafter(genome[0], math.inf if genome[0] < 0.4 else -math.inf), *genome[1:]]
    assert space.decode(nudged).digest() != recipe.digest()
