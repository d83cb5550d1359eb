"""A path as a transformers model that shares its parents' weights."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from merging.checkpoint import Parent
from merging.dataflow.path import Hop, Path
from merging.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_Auto: Any = AutoModelForCausalLM
AnyModule = TypeVar("AnyModule", bound=Module)


class PathBuilder:
    """Builds models along paths, one after another, over the same parents.

    A parent is loaded when a path first visits it, and kept. Where its files hold the wanted type
    and the device is the CPU, its weights stay in the mapped files and take no memory of their own;
    else they are converted once, which takes that of one whole model a parent. A candidate then
    costs a few objects a hop and no weight.

    Raises CheckpointError for a parent that is not made of `model.layers` with a `self_attn` each.
    """

    def __init__(
        self, parents: Mapping[str, Parent], *, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        self._parents = parents
        self._device = device
        self._dtype = dtype
        self._loaded: dict[str, PreTrainedModel] = {}

    def build(self, path: Path) -> PreTrainedModel:
        """The child: an ordinary model of the first hop's class, with one layer a hop.

        Keys and values are cached by hop, so a block may be visited again.
        """
        first, last = self._model(path.first), self._model(path.last)
        child: Any = _shallow(first)
        decoder: Any = _shallow(first.model)
        decoder._modules["layers"] = ModuleList(
            [self._layer(place, hop) for place, hop in enumerate(path.hops)]
        )
        decoder._modules["norm"] = last.model.norm
        child._modules["model"] = decoder
        if not self._tied(path):
            child._modules["lm_head"] = last.lm_head
        child.config = decoder.config = self._config(path)
        if hasattr(decoder, "has_sliding_layers"):
            decoder.has_sliding_layers = "sliding_attention" in child.config.layer_types
        return child  # type: ignore[no-any-return]

    def _layer(self, place: int, hop: Hop) -> Module:
        block: Module = self._model(hop.model).model.layers[hop.layer]
        layer = _shallow(block)
        attention: Any = _shallow(block.get_submodule("self_attn"))
        attention.layer_idx = place
        layer._modules["self_attn"] = attention
        if hop.scale != 1:
            layer.register_forward_pre_hook(partial(_scaled, hop.scale), with_kwargs=True)
        return layer

    def _config(self, path: Path) -> Any:
        config: Any = copy.deepcopy(self._model(path.first).config)
        config.num_hidden_layers = len(path.hops)
        config.tie_word_embeddings = self._tied(path)
        if getattr(config, "layer_types", None) is not None:
            config.layer_types = [
                self._model(hop.model).config.layer_types[hop.layer] for hop in path.hops
            ]
        return config

    def _tied(self, path: Path) -> bool:
        """See `merging.heads`. The head of a last model that is tied is its embeddings."""
        return all(self._parents[name].info.tied_embeddings for name in (path.first, path.last))

    def _model(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._load(self._parents[name])
        return self._loaded[name]

    def _load(self, parent: Parent) -> PreTrainedModel:
        """The parent as a model over its mapped tensors."""
        folder = parent.info.folder
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = _Auto.from_config(config, dtype=self._dtype)
        if not _made_of_layers(model):
            message = "a path needs model.layers with self_attn, model.norm and model.rotary_emb"
            raise CheckpointError(f"{folder}: {message}, which {config.model_type} has not")
        model.requires_grad_(False)
        tensors = {
            name: parent.tensor(name).to(device=self._device, dtype=self._dtype)
            for name in parent.info.tensors
        }
        model.load_state_dict(tensors, strict=False, assign=True)
        model.tie_weights()
        model.model.rotary_emb = type(model.model.rotary_emb)(config=config).to(self._device)
        for name, tensor in _named_tensors(model):
            if tensor.is_meta:
                raise CheckpointError(f"{folder}: the model has a tensor {name!r}, it has not")
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
        loaded: PreTrainedModel = model.eval()
        return loaded


def _made_of_layers(model: Any) -> bool:
    decoder: Any = getattr(model, "model", None)
    needed = ("layers", "norm", "rotary_emb")
    return all(hasattr(decoder, name) for name in needed) and all(
        hasattr(layer, "self_attn") for layer in decoder.layers
    )


def _named_tensors(model: Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _shallow(module: AnyModule) -> AnyModule:
    """A copy whose children and hooks may be exchanged while it shares everything they hold."""
    copied = module.__class__.__new__(module.__class__)
    copied.__dict__.update(module.__dict__)
    copied._modules = dict(module._modules)
    copied._forward_pre_hooks = OrderedDict(module._forward_pre_hooks)
    copied._forward_pre_hooks_with_kwargs = OrderedDict(module._forward_pre_hooks_with_kwargs)
    return copied


def _scaled(
    scale: float, _layer: Module, inputs: tuple[Tensor, ...], named: dict[str, Any]
) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """The layer's input with the residual stream, its first argument, multiplied."""
    return (inputs[0] * scale, *inputs[1:]), named
