"""Parents that are broken or degenerate: a clear error, or the limit that mathematics gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.catalogue import Method, get_method, methods
from merging.checkpoint import content_digest, inspect_checkpoint
from merging.engine import MergeEngine
from merging.errors import CheckpointError, MergingError, NonFiniteError, RecipeError
from merging.export import write_checkpoint
from merging.recipe import Recipe
from tests.merging.conftest import Family
from tests.merging.running import run, tensors

NAME = "model.layers.1.mlp.up_proj.weight"
SOME: dict[str, float] = {"weight": 0.4, "density": 0.5, "t": 0.3, "bottom": 1, "top": 0}


def with_tensor(source: Path, copy: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """A copy of a model folder whose tensors `change` has changed."""
    shutil.copytree(source, copy)
    weights = load_file(copy / "model.safetensors")
    change(weights)
    save_file(weights, copy / "model.safetensors")
    return copy


def linear(*names: str) -> Recipe:
    return Recipe.parse({"merge_method": "linear", "models": [{"model": name} for name in names]})


def parents_of(method: Method) -> int:
    return method.max_parents or max(2, method.min_parents)


def on_tensors(method: Method, base: Tensor, parents: list[Tensor], **values: Any) -> Tensor:
    return run(method.name, base, parents, **(SOME | values))


def merges_any_tensor(name: str) -> bool:
    """Whether a method merges by weights alone; others say in a test of theirs what they need."""
    return get_method(name).statistic is None


@pytest.fixture(params=[name for name in methods() if merges_any_tensor(name)])
def method(request: pytest.FixtureRequest) -> Method:
    return get_method(request.param)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_named_with_its_model(
    value: float, tied: Family, tmp_path: Path
) -> None:
    def spoil(weights: dict[str, Tensor]) -> None:
        weights[NAME][3, 5] = value

    broken = with_tensor(tied["ja"], tmp_path / "broken", spoil)
    parents = {"maths": tied["maths"], "broken": broken}
    with pytest.raises(NonFiniteError) as caught:
        MergeEngine(parents).merge(linear("maths", "broken"))
    assert repr(NAME) in str(caught.value)
    assert "model 'broken'" in str(caught.value)
    with pytest.raises(NonFiniteError) as caught:
        write_checkpoint(linear("maths", "broken"), parents, tmp_path / "child")
    assert repr(NAME) in str(caught.value)
    assert "model 'broken'" in str(caught.value)
    assert not (tmp_path / "child").exists()


def test_an_overflow_blames_no_model(tied: Family, tmp_path: Path) -> None:
    def grow(weights: dict[str, Tensor]) -> None:
        weights[NAME][3, 5] = 1e30

    large = with_tensor(tied["ja"], tmp_path / "large", grow)
    recipe = linear("large").model_copy(update={"dtype": "float16"})
    with pytest.raises(NonFiniteError, match=r"holds NaN or infinity$"):
        write_checkpoint(recipe, {"large": large}, tmp_path / "child")


@pytest.mark.parametrize("cut", [3, 200, -4])
def test_weights_that_are_cut_short(cut: int, tied: Family, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tied["ja"], tmp_path / "broken"))
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    attempts: list[Callable[[], object]] = [
        lambda: inspect_checkpoint(broken),
        lambda: content_digest(broken),
        lambda: MergeEngine({"maths": tied["maths"], "broken": broken}),
        lambda: write_checkpoint(linear("broken"), {"broken": broken}, tmp_path / "child"),
    ]
    for attempt in attempts:
        with pytest.raises(CheckpointError, match=r"broken/model\.safetensors: is truncated"):
            attempt()


def _to_int8(weights: dict[str, Tensor]) -> None:
    weights[NAME] = weights[NAME].to(torch.int8)


def _to_float8(weights: dict[str, Tensor]) -> None:
    weights[NAME] = weights[NAME].to(torch.float8_e5m2)


def _missing(weights: dict[str, Tensor]) -> None:
    del weights[NAME]


def _surplus(weights: dict[str, Tensor]) -> None:
    weights["model.layers.1.mlp.up_proj.bias"] = torch.zeros(48)


def _narrow(weights: dict[str, Tensor]) -> None:
    weights[NAME] = weights[NAME][:, :-1].contiguous()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_to_int8, CheckpointError, f"tensor '{NAME}' has the type I8"),
        (_to_float8, CheckpointError, f"tensor '{NAME}' has the type F8_E5M2"),
        (_missing, RecipeError, f"'broken' has no tensor '{NAME}'"),
        (_surplus, RecipeError, "'broken' has a tensor 'model.layers.1.mlp.up_proj.bias'"),
        (_narrow, RecipeError, f"tensor '{NAME}' is 48x31 in 'broken' but 48x32 in 'maths'"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    change: Callable[[dict[str, Tensor]], object],
    error: type[MergingError],
    message: str,
    tied: Family,
    tmp_path: Path,
) -> None:
    broken = with_tensor(tied["ja"], tmp_path / "broken", change)
    parents = {"maths": tied["maths"], "broken": broken}
    recipe = linear("maths", "broken")
    attempts: list[Callable[[], object]] = [
        lambda: MergeEngine(parents).merge(recipe),
        lambda: write_checkpoint(recipe, parents, tmp_path / "child"),
    ]
    for attempt in attempts:
        with pytest.raises(error) as caught:
            attempt()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_types_are_merged_in_float32_whatever_they_are(tied: Family, tmp_path: Path) -> None:
    kinds = [torch.bfloat16, torch.float16, torch.float32]

    def mix(shift: int) -> Callable[[dict[str, Tensor]], object]:
        def change(weights: dict[str, Tensor]) -> None:
            for number, name in enumerate(weights):
                weights[name] = weights[name].to(kinds[(number + shift) % 3])

        return change

    mixed = {name: with_tensor(tied[name], tmp_path / name, mix(i)) for i, name in enumerate(tied)}
    recipe = Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "base",
            "models": [{"model": "maths"}, {"model": "ja"}],
            "parameters": {"weight": 0.5},
        }
    )
    resident = MergeEngine(mixed).merge(recipe)
    stored = {name: load_file(folder / "model.safetensors") for name, folder in mixed.items()}
    for name, one in stored["base"].items():
        base, maths, ja = (stored[model][name].double() for model in ("base", "maths", "ja"))
        expected = base + 0.5 * (maths - base) + 0.5 * (ja - base)
        torch.testing.assert_close(resident.get_parameter(name), expected.float())
        assert one.dtype in kinds
    write_checkpoint(recipe, mixed, tmp_path / "child")
    child = load_file(tmp_path / "child" / "model.safetensors")
    assert {name: one.dtype for name, one in child.items()} == {
        name: one.dtype for name, one in stored["base"].items()
    }


@pytest.mark.parametrize("shape", [(6, 5), (7,), (1,), ()])
def test_zeros_merge_to_zeros(method: Method, shape: tuple[int, ...]) -> None:
    zeros = [torch.zeros(shape) for _ in range(1 + parents_of(method))]
    merged = on_tensors(method, zeros[0], zeros[1:])
    assert torch.equal(merged, torch.zeros(shape))


def test_one_parent_of_zeros_leaves_the_child_finite(method: Method) -> None:
    base, *parents = tensors(1 + parents_of(method), (6, 5))
    parents[0] = torch.zeros(6, 5)
    assert bool(on_tensors(method, base, parents).isfinite().all())
    assert bool(on_tensors(method, torch.zeros(6, 5), parents).isfinite().all())


@pytest.mark.parametrize("density", [0.001, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(6, 5), (1,), ()])
def test_parents_equal_to_the_base_give_the_base(
    method: Method, density: float, shape: tuple[int, ...]
) -> None:
    (base,) = tensors(1, shape)
    parents = [base.clone() for _ in range(parents_of(method))]
    # Weights that add up to 1, for the methods that merge whole models.
    merged = on_tensors(method, base, parents, weight=1 / len(parents), density=density)
    torch.testing.assert_close(merged, base)


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_tiny_tensors_at_the_smallest_density(method: Method, entries: int) -> None:
    base, *parents = tensors(1 + parents_of(method), (entries,))
    for density in (0.001, 0.1):
        merged = on_tensors(method, base, parents, density=density)
        assert bool(merged.isfinite().all())
        assert merged.shape == (entries,)


@pytest.mark.parametrize("name", ["slerp", "nuslerp", "multislerp", "karcher"])
def test_opposite_directions_on_a_sphere_stay_finite(name: str) -> None:
    method = get_method(name)
    (base,) = tensors(1, (6, 5))
    parents = [-base if number % 2 == 0 else base for number in range(parents_of(method))]
    merged = on_tensors(method, base, parents, t=0.5, weight=0.5)
    assert bool(merged.isfinite().all())
