"""Gene groups: which tensors of a model share a gene, and how that is written in a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from merging.layout import layer_of
from merging.method import Value

OUTSIDE_BLOCKS = ("embed_tokens", "lm_head", "model.norm")
"""Filters for every tensor outside the blocks. A filter is a part of tensor names: `model.norm`
meets `model.norm.weight` alone, no layer's `input_layernorm`."""

REST = "rest"


@dataclass(frozen=True)
class Grouping:
    """A model's tensors cut into groups, each of which has one number.

    `layer_ends[i]` is the first layer after layer group i. The order of the numbers: layer groups
    from the bottom up, in each the module groups and then the rest, then the embeddings, then the
    tensor groups, which come before all others where tensors are told apart.
    """

    layer_ends: tuple[int, ...]
    module_groups: tuple[str, ...]
    tensor_groups: tuple[str, ...]
    embeddings: bool
    filters_outside: tuple[str, ...]

    @classmethod
    def of(
        cls,
        num_layers: int,
        layer_groups: int | Sequence[int],
        module_groups: Sequence[str] = (),
        tensor_groups: Sequence[str] = (),
        *,
        embeddings: bool,
        tied_embeddings: bool,
    ) -> Grouping:
        """Cut `num_layers` blocks into runs of the lengths `layer_groups`, or into so many runs
        whose lengths differ by one at most, the longer ones at the bottom."""
        if isinstance(layer_groups, int):
            short, longer = divmod(num_layers, layer_groups)
            layer_groups = [short + (index < longer) for index in range(layer_groups)]
        # A tied output embedding is no tensor of its own.
        outside = tuple(one for one in OUTSIDE_BLOCKS if not (tied_embeddings and one == "lm_head"))
        return cls(
            tuple(accumulate(layer_groups)),
            tuple(module_groups),
            tuple(tensor_groups),
            embeddings,
            outside,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """`layers 0-1`, `layers 0-1/self_attn`, `embeddings`, `norm`; one a number."""
        starts = (0, *self.layer_ends[:-1])
        layers = [
            f"layers {start}-{end - 1}" for start, end in zip(starts, self.layer_ends, strict=True)
        ]
        if self.module_groups:
            modules = (*self.module_groups, REST)
            layers = [f"{layer}/{module}" for layer in layers for module in modules]
        return (*layers, *(["embeddings"] if self.embeddings else []), *self.tensor_groups)

    @property
    def layers_of(self) -> tuple[range | None, ...]:
        """For each number the layers that read it; None outside the blocks, or for tensors of
        any."""
        starts = (0, *self.layer_ends[:-1])
        spans = [
            range(start, end)
            for start, end in zip(starts, self.layer_ends, strict=True)
            for _ in range(self._modules)
        ]
        return (*spans, *[None] * (len(self.names) - len(spans)))

    def group_of(self, tensor: str) -> int | None:
        """The place of the number that a tensor reads; None outside the blocks, where they have
        no number of their own."""
        named = [index for index, one in enumerate(self.tensor_groups) if one in tensor]
        in_layers = len(self.layer_ends) * self._modules
        if named:
            return in_layers + int(self.embeddings) + named[0]
        layer = layer_of(tensor)
        if layer is None:
            return in_layers if self.embeddings else None
        span = next(index for index, end in enumerate(self.layer_ends) if layer < end)
        if not self.module_groups:
            return span
        inside = [index for index, one in enumerate(self.module_groups) if one in tensor]
        rest = len(self.module_groups)
        return span * (rest + 1) + (inside[0] if inside else rest)

    def setting(self, numbers: Sequence[Value]) -> object:
        """One number a group, as a parameter's value in mergekit's vocabulary.

        A list of `{filter, value}` of which the first that matches counts, each value a number or
        a list with one number a layer: a gradient with as many knots as there are layers takes
        each layer's own number. Without a group of their own, tensors outside the blocks fall
        under the last entry, where the input embedding reads its start and the rest its end.
        """
        modules = self._modules
        count = len(self.layer_ends) * modules
        in_layers, after = numbers[:count], list(numbers[count:])
        outside = after.pop(0) if self.embeddings else None
        entries: list[dict[str, object]] = [
            {"filter": one, "value": value}
            for one, value in zip(self.tensor_groups, after, strict=True)
        ]
        if outside is not None:
            entries += [{"filter": one, "value": outside} for one in self.filters_outside]
        for index, module in enumerate(self.module_groups):
            entries.append({"filter": module, "value": self._by_layer(in_layers[index::modules])})
        rest = self._by_layer(in_layers[modules - 1 :: modules])
        return [*entries, {"filter": "*", "value": rest}] if entries else rest

    @property
    def _modules(self) -> int:
        return len(self.module_groups) + 1

    def _by_layer(self, numbers: Sequence[Value]) -> Value | list[Value]:
        if len(numbers) == 1:
            return numbers[0]
        starts = (0, *self.layer_ends[:-1])
        return [
            number
            for number, start, end in zip(numbers, starts, self.layer_ends, strict=True)
            for _ in range(start, end)
        ]
