"""A child as a folder that transformers loads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor

from merging.alignment import align_parents, parents_with_heads
from merging.calibration.store import Measured
from merging.checkpoint import Parent, TensorInfo, check_recipe, inspect_checkpoint, open_parent
from merging.dataflow.fold import FoldedPath
from merging.dataflow.path import read_path
from merging.finite import check_finite
from merging.folders import check_free, whole_folder
from merging.gguf_writing import GGUF_NAME, check_gguf, write_gguf
from merging.heads import child_is_tied
from merging.merger import Merger
from merging.model_files import INDEX
from merging.multistep import to_documents
from merging.recipe import Recipe
from merging.site import Workshop
from merging.tokenizer_files import copy_tokenizer, write_tokenizer
from merging.vocabulary import child_infos, child_vocabulary

SHARD_BYTES = 5 * 10**9


def write_checkpoint(
    recipe: Recipe,
    parents: Mapping[str, Path],
    out: Path,
    *,
    overwrite: bool = False,
    max_shard_bytes: int = SHARD_BYTES,
    measured: Measured | None = None,
    steps: Mapping[str, Recipe] | None = None,
    documents: Mapping[str, str] | None = None,
    gguf: bool = False,
) -> None:
    """Merge `recipe` and write config, weights, tokenizer, generation settings and recipe.yaml.

    The weights are of `out_dtype`, else `dtype`, else of the type that they have in the base
    model, or in the first model where there is none; config.json comes from there too. The
    tokenizer and generation settings come from `tokenizer_source`, else from the same model; where
    models have different tokens, see `merging.vocabulary`.
    Weights of more than `max_shard_bytes` are cut into files of that size; memory is that of one.
    A path through blocks becomes a model of as many layers, its scales folded into the weights.
    A procedure's own recipe is written as expanded_recipe.yaml. `measured` is what a data-driven
    method needs; `steps` are the recipes of those parents that are children themselves, which
    recipe.yaml begins with. `documents` are texts to lay beside them, by file name. With `gguf` the
    folder holds the child once more, as one GGUF file.

    The folder appears whole or not at all. Raises CheckpointError if `out` holds anything and
    `overwrite` is not set, a path's scales cannot be folded, or GGUF has no form for the child;
    RecipeError, CalibrationError and NonFiniteError as merging does.
    """
    check_free(out, overwrite=overwrite)
    infos = {name: inspect_checkpoint(folder) for name, folder in parents.items()}
    check_recipe(recipe, child_infos(recipe, infos))
    template = infos[recipe.base_model or recipe.model_names()[0]]

    if gguf:
        # The child is as its template is, but for a path's depth and a union's tokens.
        check_gguf(template.folder)
    with whole_folder(out, overwrite=overwrite) as draft:
        opened = parents_with_heads(
            recipe, {name: open_parent(parents[name]) for name in recipe.model_names()}
        )
        config = dict(template.config)
        if child_is_tied(recipe, infos) != template.tied_embeddings:
            config["tie_word_embeddings"] = not template.tied_embeddings
        vocabulary = child_vocabulary(recipe, infos)
        if vocabulary is None:
            copy_tokenizer(infos.get(recipe.tokenizer_source or "", template), draft)
        else:
            write_tokenizer(vocabulary, infos, draft)
            config |= vocabulary.config(infos)
            opened = {**align_parents(vocabulary, opened)}
        child = _child(recipe, opened, measured)
        _write_weights(recipe, child, opened, draft, max_shard_bytes)
        _write_config(recipe, {**config, **child.config()}, draft / "config.json")
        (draft / "recipe.yaml").write_text(to_documents(recipe, steps or {}), encoding="utf-8")
        if isinstance(child, Merger) and child.recipe != recipe:
            expanded = to_documents(child.recipe, steps or {})
            (draft / "expanded_recipe.yaml").write_text(expanded, encoding="utf-8")
        for name, text in (documents or {}).items():
            (draft / name).write_text(text, encoding="utf-8")
        if gguf:
            write_gguf(draft, draft / GGUF_NAME)


class _Child(Protocol):
    """The tensors of a child, and what its config.json says otherwise than its template's."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]: ...

    def tensor(self, name: str) -> Tensor: ...

    def config(self) -> dict[str, Any]: ...


def _child(recipe: Recipe, opened: Mapping[str, Parent], measured: Measured | None) -> _Child:
    path = read_path(recipe)
    if path is not None:
        return FoldedPath(path, opened)
    like = recipe.base_model or recipe.model_names()[0]
    return Merger(recipe, opened, like=like, workshop=Workshop(), measured=measured)


@torch.no_grad()
def _write_weights(
    recipe: Recipe,
    child: _Child,
    parents: Mapping[str, Parent],
    folder: Path,
    max_shard_bytes: int,
) -> None:
    """One file, or shards and their index as transformers names them."""
    dtype = recipe.out_dtype or recipe.dtype
    shards = _shards(child.tensors, dtype, max_shard_bytes)
    places: dict[str, str] = {}
    total = 0
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        if len(shards) == 1:
            file = "model.safetensors"
        tensors = {name: _stored(child, parents, name, dtype) for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names, file)
        total += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def _stored(child: _Child, parents: Mapping[str, Parent], name: str, dtype: str | None) -> Tensor:
    merged = child.tensor(name)
    if merged.is_floating_point():
        merged = merged.to(getattr(torch, dtype or child.tensors[name].dtype))
        check_finite({name: merged}, [merged.sum(dtype=torch.float32)], parents)
    return merged


def _shards(
    tensors: Mapping[str, TensorInfo], dtype: str | None, max_shard_bytes: int
) -> list[list[str]]:
    """Names in order, cut where a file would grow past its size."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, info in tensors.items():
        kind = getattr(torch, info.dtype, None)
        if dtype is not None and (kind is None or kind.is_floating_point):
            kind = getattr(torch, dtype)
        size = math.prod(info.shape) * (kind.itemsize if kind is not None else 8)
        if shards[-1] and filled + size > max_shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _write_config(recipe: Recipe, merged: Mapping[str, Any], path: Path) -> None:
    # What names other code or another folder has no place in a folder that stands alone.
    dropped = ("auto_map", "_name_or_path")
    config = {key: value for key, value in merged.items() if key not in dropped}
    dtype = recipe.out_dtype or recipe.dtype
    if dtype is not None:
        config.pop("torch_dtype", None)
        config["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
