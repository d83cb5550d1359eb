"""Methods run on tensors in memory, through the merger, as a recipe would run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from merging.calibration.store import Measured
from merging.catalogue import get_method
from merging.checkpoint import CheckpointInfo, Parent, TensorInfo
from merging.layout import layer_of
from merging.merger import Merger
from merging.recipe import Recipe
from merging.site import Workshop

Model = Mapping[str, Tensor]
NAME = "model.layers.0.w"


@dataclass
class MemoryParent:
    """A parent whose tensors never saw a file."""

    model: Model

    @property
    def info(self) -> CheckpointInfo:
        tensors = {
            name: TensorInfo(tuple(one.shape), str(one.dtype).removeprefix("torch."), "memory")
            for name, one in self.model.items()
        }
        depth = 1 + max(layer_of(name) or 0 for name in tensors)
        return CheckpointInfo(Path("memory"), {}, tensors, depth, tied_embeddings=False)

    def tensor(self, name: str) -> Tensor:
        return self.model[name]


def merger_of(
    name: str,
    base: Model | None,
    parents: Sequence[Model],
    *,
    per_parent: Mapping[str, Sequence[Any]] | None = None,
    shared: Mapping[str, Any] | None = None,
    workshop: Workshop | None = None,
    measured: Measured | None = None,
) -> Merger:
    """A merger of the models "0", "1", ... over "base"."""
    rows = per_parent or {}
    looks_at_texts = get_method(name).statistic is not None
    recipe = Recipe.parse(
        {
            "merge_method": name,
            "models": [
                {"model": str(i), "parameters": {key: row[i] for key, row in rows.items()}}
                for i in range(len(parents))
            ],
            "base_model": None if base is None else "base",
            "parameters": dict(shared or {}),
            "calibration": {"task": "some"} if looks_at_texts else None,
        }
    )
    models = {str(i): MemoryParent(one) for i, one in enumerate(parents)}
    if base is not None:
        models["base"] = MemoryParent(base)
    like = "0" if base is None else "base"
    opened = cast("dict[str, Parent]", models)
    shop = workshop or Workshop()
    return Merger(recipe, opened, like=like, workshop=shop, measured=measured)


def run_models(
    name: str, base: Model | None, parents: Sequence[Model], **options: Any
) -> dict[str, Tensor]:
    """The child's tensors; options are those of `merger_of`."""
    merger = merger_of(name, base, parents, **options)
    return {one: merger.tensor(one) for one in parents[0]}


def run(name: str, base: Tensor | None, parents: Sequence[Tensor], **values: Any) -> Tensor:
    """One tensor's merge. A list is one value a parent; whatever the method lacks is left out.

    A base that the method does not take is left out too.
    """
    method = get_method(name)
    known = {one.name: one for one in method.parameters}
    given = {key: value for key, value in values.items() if key in known}
    per_parent = {
        key: value if isinstance(value, list | tuple) else [value] * len(parents)
        for key, value in given.items()
        if known[key].per_parent
    }
    shared = {key: value for key, value in given.items() if not known[key].per_parent}
    start = None if base is None or method.base == "none" else {NAME: base}
    models = [{NAME: one} for one in parents]
    return run_models(
        name,
        start,
        models,
        per_parent=per_parent,
        shared=shared,
        measured=some_statistics(name, parents),
    )[NAME]


def some_statistics(name: str, parents: Sequence[Tensor]) -> Measured | None:
    """Statistics such as texts would give, for a method that needs them: positive, of each
    parent's shape, or numbers of all parents."""
    statistic = get_method(name).statistic
    if statistic is None:
        return None
    if statistic.joint:
        return Measured(joint={NAME: torch.linspace(0.2, 0.6, len(parents))})
    drawn = tensors(len(parents), tuple(parents[0].shape), seed=99)
    return Measured({str(i): {NAME: one.square() + 0.1} for i, one in enumerate(drawn)})


def tensors(count: int, shape: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    """Normal tensors of one shape."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]
