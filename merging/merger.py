"""One merged tensor at a time, from mapped parents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from merging.catalogue import get_method
from merging.checkpoint import Parent, check_recipe
from merging.errors import RecipeError
from merging.layout import Block, at_layer, lay_out
from merging.method import Values
from merging.recipe import Recipe


class Merger:
    """The tensors of one child, in the shapes of the parent `like`, each computed when asked for.

    Raises RecipeError if the recipe cannot be carried out with these parents.
    """

    def __init__(
        self,
        recipe: Recipe,
        parents: Mapping[str, Parent],
        *,
        like: str,
        device: torch.device | str = "cpu",
    ) -> None:
        infos = {name: parent.info for name, parent in parents.items()}
        check_recipe(recipe, infos, like=like)
        self._method = get_method(recipe.merge_method)
        self._base_model = recipe.base_model if self._method.needs_base else None
        self._layout = lay_out(recipe, infos[like].num_layers)
        self._parents = parents
        self._device = device

    def tensor(self, name: str) -> Tensor:
        """The child's tensor of this name, in float32, newly made.

        What is not of a floating type is copied from the base, or else from the first model.
        """
        block = self._layout.block(name)
        names = [at_layer(name, one.layer) for one in block.inputs]
        tensors = [
            self._parents[one.model].tensor(source)
            for one, source in zip(block.inputs, names, strict=True)
        ]
        models = [one.model for one in block.inputs]
        base = models.index(self._base_model) if self._base_model is not None else None
        if not tensors[base or 0].is_floating_point():
            return tensors[base or 0].clone()
        tensors = [one.to(device=self._device, dtype=torch.float32) for one in tensors]
        parents = [number for number in range(len(models)) if number != base]
        return self._method.merge(
            None if base is None else tensors[base],
            [tensors[number] for number in parents],
            self._values(name, block, names, parents),
        )

    def _values(self, name: str, block: Block, names: list[str], parents: list[int]) -> Values:
        shared: dict[str, float] = {}
        per_parent: dict[str, list[float]] = {}
        for parameter in self._method.parameters:
            key, default = parameter.name, parameter.default
            if parameter.per_parent:
                found = [block.of_input(number, key, names[number]) for number in parents]
                per_parent[key] = [_given(one, default, key, name) for one in found]
            else:
                shared[key] = _given(block.shared(key, name), default, key, name)

        def uniform(index: int) -> Tensor:
            number = parents[index]
            model, source = block.inputs[number].model, names[number]
            shape = self._parents[model].info.tensors[source].shape
            return random_numbers(int(shared["random_seed"]), model, source, shape).to(self._device)

        return Values(shared, per_parent, uniform)


def random_numbers(seed: int, model: str, tensor_name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform numbers in [0, 1) that depend on the arguments alone.

    So the candidates of one job, which share a seed, share their masks too: a kept entry is one
    whose number is below the density, and a candidate of higher density keeps those and more.
    Drawn on the CPU whatever the device, and never from torch's global generator. `model` is the
    recipe's name for the model: a model renamed has other masks.
    """
    key = f"{seed}\0{model}\0{tensor_name}".encode()
    generator = torch.Generator().manual_seed(
        int.from_bytes(hashlib.sha256(key).digest()[:8], "big", signed=True)
    )
    return torch.rand(shape, generator=generator)


def _given(value: float | None, default: float | None, key: str, name: str) -> float:
    if value is not None:
        return value
    if default is None:
        raise RecipeError(f"parameters.{key}", f"no entry matches the tensor {name!r}")
    return default
