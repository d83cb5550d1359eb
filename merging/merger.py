"""The tensors of one child, each computed when asked for, from mapped parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from merging.calibration.store import Measured
from merging.catalogue import get_method
from merging.checkpoint import Parent, TensorInfo
from merging.checks import check_recipe
from merging.errors import CalibrationError, RecipeError
from merging.layout import Block, Input, at_layer, lay_out
from merging.method import Pointwise, Value
from merging.recipe import Recipe
from merging.site import ModelSurvey, TensorSite, Workshop
from merging.statistics import Source


class Merger:
    """One recipe on its way to a child in the shapes of the parent `like`.

    Raises RecipeError if the recipe cannot be carried out with these parents. `workshop` carries
    what serves further recipes too; `digests` name the content of each model in its statistics;
    `measured` is what a data-driven method needs, without which it raises CalibrationError.
    """

    def __init__(
        self,
        recipe: Recipe,
        parents: Mapping[str, Parent],
        *,
        like: str,
        workshop: Workshop,
        digests: Mapping[str, str] | None = None,
        device: torch.device | str = "cpu",
        measured: Measured | None = None,
    ) -> None:
        infos = {name: parent.info for name, parent in parents.items()}
        check_recipe(recipe, infos, like=like)
        method = get_method(recipe.merge_method)
        if method.statistic is not None and measured is None:
            message = f"what method {method.name!r} needs to know of its models was not computed"
            raise CalibrationError(message)
        self._measured = measured or Measured()
        self._calibration = recipe.calibration
        if method.expand is not None:
            recipe = method.expand(recipe, infos[like].num_layers)
        elif method.expand_measured is not None:
            recipe = method.expand_measured(recipe, self._measured.numbers())
            check_recipe(recipe, infos, like=like)
        self._recipe = recipe
        method = get_method(recipe.merge_method)
        self._method = method
        self._base_model = recipe.base_model if method.base != "none" else None
        self._layout = lay_out(recipe, infos[like].num_layers)
        self._shapes = infos[like].tensors
        self._parents = parents
        self._workshop = workshop
        self._digests = digests or {}
        self._device = device
        self._prepared: object = None
        if method.prepare is not None:
            self._prepared = method.prepare(self._survey())

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """The child's tensors, as they are stored in the parent `like`."""
        return self._shapes

    @property
    def recipe(self) -> Recipe:
        """The recipe that is carried out: a procedure's is the one that it wrote."""
        return self._recipe

    def config(self) -> dict[str, Any]:
        """What the child's config.json says otherwise than the parent's: nothing."""
        return {}

    @torch.no_grad()
    def write(self, name: str, target: Tensor) -> Tensor:
        """Write the child's tensor of this name into `target`, of its shape and any type.

        Returns the sum of what was written, which is finite only if every entry is.
        """
        site = self._site(name)
        if site is None or self._method.merge is None:
            target.copy_(self._copied(name))
        else:
            merged = self._method.merge(site)
            if isinstance(merged, Pointwise):
                return self._workshop.runner.write(merged, target)
            target.copy_(merged)
        return target.sum(dtype=torch.float32)

    def tensor(self, name: str) -> Tensor:
        """The child's tensor of this name, newly made: float32, or as it is stored where that is
        no floating type."""
        source = self._copied(name)
        dtype = torch.float32 if source.is_floating_point() else source.dtype
        target = torch.empty(source.shape, dtype=dtype, device=self._device)
        self.write(name, target)
        return target

    def _survey(self) -> ModelSurvey:
        inputs = [[(one.model, one.layer) for one in block.inputs] for block in self._blocks()]
        return ModelSurvey(
            make_sites=self._sites,
            signature=(self._method.name, self._base_model, str(inputs), str(self._calibration)),
            workshop=self._workshop,
        )

    def _sites(self) -> Iterator[TensorSite]:
        for name in self._shapes:
            site = self._site(name)
            if site is not None:
                yield site

    def _blocks(self) -> list[Block]:
        return [self._layout.before, *self._layout.layers, self._layout.after]

    def _copied(self, name: str) -> Tensor:
        """The tensor of the base, or else of the first model."""
        inputs = self._layout.block(name).inputs
        models = [one.model for one in inputs]
        base = models.index(self._base_model) if self._base_model is not None else 0
        return self._parents[models[base]].tensor(at_layer(name, inputs[base].layer))

    def _site(self, name: str) -> TensorSite | None:
        """The tensor as the method sees it; None for what is of no floating type."""
        if not self._copied(name).is_floating_point():
            return None
        block = self._layout.block(name)
        base = [number for number, one in enumerate(block.inputs) if one.model == self._base_model]
        parents = [number for number in range(len(block.inputs)) if number not in base]
        names = [at_layer(name, one.layer) for one in block.inputs]
        shared: dict[str, Value] = {}
        per_parent: dict[str, list[float]] = {}
        for parameter in self._method.parameters:
            key, default = parameter.name, parameter.default
            if parameter.per_parent:
                found = [block.of_input(number, key, names[number]) for number in parents]
                given = [_given(one, default, key, name) for one in found]
                per_parent[key] = [one for one in given if not isinstance(one, str)]
            else:
                shared[key] = _given(block.shared(key, name), default, key, name)
        return TensorSite(
            name=name,
            base_source=self._source(block.inputs[base[0]], names[base[0]]) if base else None,
            sources=[self._source(block.inputs[number], names[number]) for number in parents],
            models=[block.inputs[number].model for number in parents],
            tensor_names=[names[number] for number in parents],
            shared={key: one for key, one in shared.items() if not isinstance(one, str)},
            per_parent=per_parent,
            choices={key: one for key, one in shared.items() if isinstance(one, str)},
            workshop=self._workshop,
            prepared=self._prepared,
            measured=self._measured,
        )

    def _source(self, one: Input, name: str) -> Source:
        tensor = self._parents[one.model].tensor(name).to(self._device)
        return Source(f"{self._digests.get(one.model, one.model)}:{name}", tensor)


def _given(value: Value | None, default: Value | None, key: str, name: str) -> Value:
    if value is not None:
        return value
    if default is None:
        raise RecipeError(f"parameters.{key}", f"no entry matches the tensor {name!r}")
    return default
