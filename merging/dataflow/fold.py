"""A path's scales folded into weights: an ordinary checkpoint that needs no code of ours.

Let c be the product of the scales up to a hop. The model without scales carries y = x / c in place
of the residual stream x. RMSNorm and LayerNorm forget the size of their input and keep its sign:
norm(x) = sign(c) * norm(y). So blocks see what they would have seen if the weights of their norms
take the sign of c (biases stay), and add what they would have added if the projections that write
to the stream are divided by c: x + a = c * (y + a / c). The final norm takes the last c's sign.

Norms add an epsilon to the mean square, and forget the size of their input only up to that: for y
it weighs c^2 as much as for x. With |c| <= 16 that is 256 epsilons at most, 0.00256 for an epsilon
of 1e-5 beside mean squares of order one; where |c| is below 1 it is less than a model's own.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import AutoConfig

from merging.checkpoint import CheckpointInfo, Parent, TensorInfo
from merging.dataflow.path import LARGEST, SMALLEST, Path
from merging.errors import CheckpointError
from merging.layout import at_layer, layer_of

_INPUT_NORMS = (".input_layernorm.weight", ".post_attention_layernorm.weight")
_WRITERS = (".self_attn.o_proj.", ".mlp.down_proj.")
_FINAL_NORM = "model.norm.weight"


class FoldedPath:
    """The tensors of a path's child, each computed when asked for.

    The recipe of the path must have passed `check_recipe`: blocks of other families than it allows
    cannot be folded. Raises CheckpointError where a product of scales leaves the bounds.
    """

    def __init__(self, path: Path, parents: Mapping[str, Parent]) -> None:
        self._path = path
        self._parents = parents
        self._products = list(itertools.accumulate((hop.scale for hop in path.hops), operator.mul))
        for place, product in enumerate(self._products):
            # A path may lie on the bounds, which rounding leaves.
            if not SMALLEST <= round(abs(product), 9) <= LARGEST:
                message = f"the scales up to hop {place} multiply to {product:g}"
                raise CheckpointError(
                    f"{message}; only {SMALLEST:g} to {LARGEST:g} can be folded into weights"
                )
        self.tensors: dict[str, TensorInfo] = dict(self._outside())
        for place, hop in enumerate(path.hops):
            for name, info in parents[hop.model].info.tensors.items():
                if layer_of(name) == hop.layer:
                    self.tensors[at_layer(name, place)] = info

    def tensor(self, name: str) -> Tensor:
        """The child's tensor of this name, in float32, newly made."""
        place = layer_of(name)
        if place is None:
            outside: Tensor = self._source(name).tensor(name).float().clone()
            return outside.mul_(self._sign(-1)) if name == _FINAL_NORM else outside
        hop = self._path.hops[place]
        source = self._parents[hop.model].tensor(at_layer(name, hop.layer))
        tensor: Tensor = source.float().clone()
        if any(part in name for part in _WRITERS):
            return tensor.div_(self._products[place])
        if name.endswith(_INPUT_NORMS):
            return tensor.mul_(self._sign(place))
        return tensor

    def config(self) -> dict[str, Any]:
        """What the child's config.json says otherwise than the first model's."""
        first = self._parents[self._path.first].info.config
        changed: dict[str, Any] = {
            key: len(self._path.hops)
            for key in ("num_hidden_layers", "n_layer", "num_layers")
            if key in first
        }
        if (kinds := self._attention()) is not None:
            changed["layer_types"] = kinds
        return changed

    def _attention(self) -> list[str] | None:
        """Each hop's kind of attention; None for families that have one kind."""
        of_model: dict[str, list[str] | None] = {}
        for name in self._path.models:
            # Older files give the number of a window's first layer in place of the list.
            folder = self._parents[name].info.folder
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            of_model[name] = getattr(config, "layer_types", None)
        kinds = [(of_model[hop.model] or ())[hop.layer : hop.layer + 1] for hop in self._path.hops]
        return [kind for (kind,) in kinds] if all(kinds) else None

    def _outside(self) -> list[tuple[str, TensorInfo]]:
        first: CheckpointInfo = self._parents[self._path.first].info
        return [(name, info) for name, info in first.tensors.items() if layer_of(name) is None]

    def _source(self, name: str) -> Parent:
        """The model that a tensor outside the blocks comes from."""
        after = name == _FINAL_NORM or name.startswith("lm_head.")
        return self._parents[self._path.last if after else self._path.first]

    def _sign(self, place: int) -> float:
        return math.copysign(1.0, self._products[place])
