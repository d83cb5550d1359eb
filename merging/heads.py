"""Models of which only some tie their head to their embeddings.

A child is tied exactly if all models that it takes embeddings or a head from are: the models of its
recipe, or, of a path through blocks, the first and the last. Else the child has a head of its own,
and a tied model takes part in that head with its embeddings, which is what its head is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from merging.catalogue import get_method
from merging.dataflow.path import read_path
from merging.errors import RecipeError
from merging.vocabulary import embedding_tables

if TYPE_CHECKING:
    from merging.checkpoint import CheckpointInfo
    from merging.recipe import Recipe

HEADS = ("lm_head.weight", "embed_out.weight")
"""What the head's weights are called in checkpoints."""


def child_is_tied(recipe: Recipe, infos: Mapping[str, CheckpointInfo]) -> bool:
    """Whether the head of a recipe's child is its embeddings; models that `infos` lacks play no
    part."""
    return all(infos[name].tied_embeddings for name in _deciding(recipe) if name in infos)


def with_child_heads(
    recipe: Recipe, infos: Mapping[str, CheckpointInfo]
) -> Mapping[str, CheckpointInfo]:
    """The models with the head that the recipe's child has, or without one if it is tied.

    `infos` themselves if no model differs. A model whose embeddings or head are not found stays as
    it is, which `check_recipe` then refuses. Raises RecipeError for a data-driven method of models
    that differ: what it knows of a tied one says nothing of a head.
    """
    tied = child_is_tied(recipe, infos)
    differing = {name for name, info in infos.items() if info.tied_embeddings != tied}
    if not differing:
        return infos
    deciding = [name for name in _deciding(recipe) if name in infos]
    if differing & set(deciding) and get_method(recipe.merge_method).statistic is not None:
        message = f"method {recipe.merge_method!r} needs models that all tie their embeddings"
        raise RecipeError("merge_method", f"{message} to their heads, or none")
    if tied:
        return {
            name: _without_head(info) if name in differing else info for name, info in infos.items()
        }
    untied = [infos[name] for name in deciding if name not in differing]
    head = next((one for one in HEADS if one in untied[0].tensors), None)
    return {
        name: _with_head(info, head) if name in differing else info for name, info in infos.items()
    }


def _deciding(recipe: Recipe) -> tuple[str, ...]:
    path = read_path(recipe)
    return recipe.model_names() if path is None else (path.first, path.last)


def _without_head(info: CheckpointInfo) -> CheckpointInfo:
    tensors = {name: one for name, one in info.tensors.items() if name not in HEADS}
    config = {**info.config, "tie_word_embeddings": True}
    return replace(info, tensors=tensors, config=config, tied_embeddings=True)


def _with_head(info: CheckpointInfo, head: str | None) -> CheckpointInfo:
    tables = embedding_tables(info)
    if head is None or len(tables) != 1:
        return info
    tensors = {**info.tensors, head: info.tensors[tables[0]]}
    config = {**info.config, "tie_word_embeddings": False}
    return replace(info, tensors=tensors, config=config, tied_embeddings=False)
