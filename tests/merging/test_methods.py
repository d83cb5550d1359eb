"""Every method of the catalogue keeps the contract of `merging.method`."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.catalogue import Method, get_method, methods
from merging.errors import RecipeError
from tests.merging.reference import reference
from tests.merging.running import run, tensors

SYMMETRIC = ["linear", "task_arithmetic", "ties"]
DELTA_METHODS = ["task_arithmetic", "ties", "dare_linear", "dare_ties"]
SOME: dict[str, float] = {"weight": 0.4, "density": 0.5, "t": 0.3, "bottom": 1, "top": 0}
SHAPES: list[tuple[int, ...]] = [(3, 4), (7,), (1,), (2, 3, 4), ()]


# It merges the experts within one model: tests/merging/test_moe.py has models with experts.
MERGED = [name for name in methods() if name != "moe_merge"]


@pytest.fixture(params=MERGED)
def method(request: pytest.FixtureRequest) -> Method:
    return get_method(request.param)


def count_for(method: Method) -> int:
    return method.max_parents or max(2, method.min_parents)


@pytest.mark.parametrize("shape", SHAPES)
def test_output_has_the_shape_and_type_of_the_input(method: Method, shape: tuple[int, ...]) -> None:
    base, *parents = tensors(1 + count_for(method), shape)
    merged = run(method.name, base, parents, **SOME)
    assert merged.shape == base.shape
    assert merged.dtype == torch.float32
    assert bool(merged.isfinite().all())


def test_inputs_stay_as_they_are_and_the_output_is_new(method: Method) -> None:
    inputs = tensors(1 + count_for(method), (5, 6))
    before = [one.clone() for one in inputs]
    merged = run(method.name, inputs[0], inputs[1:], **SOME)
    for one, copy in zip(inputs, before, strict=True):
        assert torch.equal(one, copy)
        assert one.data_ptr() != merged.data_ptr()


def test_the_same_arguments_give_the_same_bits(method: Method) -> None:
    base, *parents = tensors(1 + count_for(method), (9, 8))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = run(method.name, base, parents, **SOME)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(first, run(method.name, base, parents, **SOME))


def test_a_nan_in_a_parent_is_never_hidden(method: Method) -> None:
    base, *parents = tensors(1 + count_for(method), (4, 4))
    parents[-1][2, 2] = float("nan")
    assert bool(run(method.name, base, parents, **SOME).isnan().any())


def test_descriptors_are_complete(method: Method) -> None:
    assert method.form in ("tensor", "prepared", "procedure")
    assert method.summary
    assert method.source
    names = [parameter.name for parameter in method.parameters]
    assert len(set(names)) == len(names)
    for parameter in method.parameters:
        assert parameter.summary
        assert isinstance(parameter.default, bool) == (parameter.kind == "switch")
        assert isinstance(parameter.default, str) == (parameter.kind == "choice")
        if not isinstance(parameter.default, str | None) and parameter.low is not None:
            assert parameter.low <= parameter.default


@pytest.mark.parametrize("name", ["linear", *DELTA_METHODS])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_parent_at_weight_1_is_that_parent(name: str, shape: tuple[int, ...]) -> None:
    base, parent = tensors(2, shape)
    merged = run(name, base, [parent])
    if name == "linear":
        assert torch.equal(merged, parent)
    torch.testing.assert_close(merged, parent)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(seed=st.integers(0, 1000), order=st.permutations([0, 1, 2]))
@settings(max_examples=15, deadline=None)
def test_the_order_of_parents_is_ignored(name: str, seed: int, order: list[int]) -> None:
    base, *parents = tensors(4, (3, 5), seed)
    weights, densities = [0.2, 0.9, 0.5], [0.3, 1.0, 0.6]
    merged = run(name, base, parents, weight=weights, density=densities)
    swapped = run(
        name,
        base,
        [parents[i] for i in order],
        weight=[weights[i] for i in order],
        density=[densities[i] for i in order],
    )
    torch.testing.assert_close(merged, swapped)


@pytest.mark.parametrize("normalize", [True, False])
def test_ties_where_signs_agree_is_task_arithmetic(normalize: bool) -> None:
    base, *deltas = tensors(4, (6, 5))
    parents = [base + delta.abs() + 0.1 for delta in deltas]
    merged = run("ties", base, parents, weight=[0.2, 0.5, 0.4], normalize=normalize)
    plain = run("task_arithmetic", base, parents, weight=[0.2, 0.5, 0.4], normalize=normalize)
    torch.testing.assert_close(merged, plain)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(
    seed=st.integers(0, 1000),
    weights=st.lists(st.floats(0.1, 2), min_size=3, max_size=3),
    densities=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_methods_follow_their_formula(
    name: str, seed: int, weights: list[float], densities: list[float]
) -> None:
    base, *parents = tensors(4, (4, 5), seed)
    expected = reference(name, base, parents, weights, densities)
    merged = run(name, base, parents, weight=weights, density=densities)
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ties", "dare_ties"])
def test_lambda_scales_the_change(name: str) -> None:
    base, *parents = tensors(3, (5, 5))
    once = run(name, base, parents, **SOME) - base
    twice = run(name, base, parents, **SOME, **{"lambda": 2.0}) - base
    torch.testing.assert_close(twice, 2 * once)


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"unknown method 'magic'; there are: ") as e:
        get_method("magic")
    assert e.value.field == "merge_method"


def test_catalogue_and_recipe_load_no_torch() -> None:
    code = (
        "import sys, merging.catalogue, merging.recipe, merging.layout; "
        "merging.catalogue.methods(); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
