"""Gene groups: which tensors of a model share a gene, and how that is written in a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merging.layout import layer_of

OUTSIDE_BLOCKS = ("embed_tokens", "lm_head", "model.norm")
"""Filters for every tensor outside the blocks. A filter is a part of tensor names: `model.norm`
meets `model.norm.weight` alone, no layer's `input_layernorm`."""

REST = "rest"


@dataclass(frozen=True)
class Grouping:
    """A model's tensors cut into groups, each of which has one number.

    `layer_ends[i]` is the first layer after layer group i. The order of the numbers: layer groups
    from the bottom up, in each the module groups and then the rest, then the embeddings.
    """

    layer_ends: tuple[int, ...]
    module_groups: tuple[str, ...]
    embeddings: bool
    filters_outside: tuple[str, ...]

    @classmethod
    def of(
        cls,
        num_layers: int,
        layer_groups: int,
        module_groups: Sequence[str],
        *,
        embeddings: bool,
        tied_embeddings: bool,
    ) -> Grouping:
        """Cut `num_layers` blocks into `layer_groups` runs whose lengths differ by one at most,
        the longer ones at the bottom."""
        short, longer = divmod(num_layers, layer_groups)
        lengths = [short + (index < longer) for index in range(layer_groups)]
        ends = tuple(sum(lengths[: index + 1]) for index in range(layer_groups))
        # A tied output embedding is no tensor of its own.
        outside = tuple(one for one in OUTSIDE_BLOCKS if not (tied_embeddings and one == "lm_head"))
        return cls(ends, tuple(module_groups), embeddings, outside)

    @property
    def names(self) -> tuple[str, ...]:
        """`layers 0-1`, `layers 0-1/self_attn`, `embeddings`; one a number."""
        starts = (0, *self.layer_ends[:-1])
        layers = [
            f"layers {start}-{end - 1}" for start, end in zip(starts, self.layer_ends, strict=True)
        ]
        if self.module_groups:
            modules = (*self.module_groups, REST)
            layers = [f"{layer}/{module}" for layer in layers for module in modules]
        return (*layers, "embeddings") if self.embeddings else tuple(layers)

    def group_of(self, tensor: str) -> int | None:
        """The place of the number that a tensor reads; None outside the blocks, where they have
        no number of their own."""
        layer = layer_of(tensor)
        if layer is None:
            return len(self.names) - 1 if self.embeddings else None
        span = next(index for index, end in enumerate(self.layer_ends) if layer < end)
        if not self.module_groups:
            return span
        inside = [index for index, one in enumerate(self.module_groups) if one in tensor]
        rest = len(self.module_groups)
        return span * (rest + 1) + (inside[0] if inside else rest)

    def setting(self, numbers: Sequence[float]) -> object:
        """One number a group, as a parameter's value in mergekit's vocabulary.

        A list of `{filter, value}` of which the first that matches counts, each value a number or
        a list with one number a layer: a gradient with as many knots as there are layers takes
        each layer's own number. Without a group of their own, tensors outside the blocks fall
        under the last entry, where the input embedding reads its start and the rest its end.
        """
        modules = len(self.module_groups) + 1
        in_layers = numbers[: len(self.layer_ends) * modules]
        entries: list[dict[str, object]] = []
        if self.embeddings:
            entries += [{"filter": one, "value": numbers[-1]} for one in self.filters_outside]
        for index, module in enumerate(self.module_groups):
            entries.append({"filter": module, "value": self._by_layer(in_layers[index::modules])})
        rest = self._by_layer(in_layers[modules - 1 :: modules])
        return [*entries, {"filter": "*", "value": rest}] if entries else rest

    def _by_layer(self, numbers: Sequence[float]) -> float | list[float]:
        if len(numbers) == 1:
            return numbers[0]
        starts = (0, *self.layer_ends[:-1])
        return [
            number
            for number, start, end in zip(numbers, starts, self.layer_ends, strict=True)
            for _ in range(start, end)
        ]
