"""Parents whose embeddings and heads are brought to those of a child: to one vocabulary, see
`merging.vocabulary`, and to heads that are tied or not, see `merging.heads`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from merging.checkpoint import CheckpointInfo, Parent
from merging.heads import HEADS, with_child_heads
from merging.recipe import Recipe
from merging.vocabulary import Vocabulary, embedding_tables, token_tensors


def parents_with_heads(recipe: Recipe, parents: Mapping[str, Parent]) -> dict[str, Parent]:
    """The parents with the head that the recipe's child has, or without one if it is tied.

    No tensor is made. Raises RecipeError as `with_child_heads` does.
    """
    stored = {name: one.info for name, one in parents.items()}
    infos = with_child_heads(recipe, stored)
    return {
        name: one if infos[name] is stored[name] else _HeadedParent(one, infos[name])
        for name, one in parents.items()
    }


def align_parents(
    vocabulary: Vocabulary, parents: Mapping[str, Parent]
) -> dict[str, AlignedParent]:
    """The parents with the rows of the child.

    The tensors that are rearranged, embeddings and heads, are made when first asked for, and
    kept: one or two a parent. All others stay mapped. A model that takes no part in the child has
    the child's shapes, but its own tensors.
    """
    return {name: AlignedParent(name, vocabulary, parents) for name in parents}


class _HeadedParent(Parent):
    """A parent as `info` has it, its embeddings in place of a head that it lacks."""

    def __init__(self, parent: Parent, info: CheckpointInfo) -> None:
        self.info = info
        self._parent = parent

    def tensor(self, name: str) -> Tensor:
        lacking = name in HEADS and name not in self._parent.info.tensors
        return self._parent.tensor(embedding_tables(self.info)[0] if lacking else name)


class AlignedParent(Parent):
    """One of `parents` with the rows of `vocabulary`. Use `align_parents`."""

    def __init__(self, name: str, vocabulary: Vocabulary, parents: Mapping[str, Parent]) -> None:
        self.info = vocabulary.info(parents[name].info)
        self._name = name
        self._vocabulary = vocabulary
        self._parents = parents
        self._aligned: dict[str, Tensor] = {}
        taking_part = name in vocabulary.models
        self._rearranged = token_tensors(parents[name].info) if taking_part else ()

    def tensor(self, name: str) -> Tensor:
        """The tensor in the child's shape; in the stored type, or a wider one if rows of another
        model's come in."""
        if name not in self._rearranged:
            return self._parents[self._name].tensor(name)
        if name not in self._aligned:
            self._aligned[name] = _rearrange(name, self._name, self._vocabulary, self._parents)
        return self._aligned[name]


@torch.no_grad()
def _rearrange(
    name: str, model: str, vocabulary: Vocabulary, parents: Mapping[str, Parent]
) -> Tensor:
    stored = parents[model].tensor(name)
    own = torch.tensor(vocabulary.places(model))
    if model == vocabulary.source:
        # The rows that pad its table are its own.
        own = torch.where(_pads(vocabulary), torch.arange(len(own)), own)
    if len(stored) == len(own) and torch.equal(own, torch.arange(len(own))):
        return stored
    aligned = stored[own.clamp(min=0)]
    for lacking, rows in _lacking_rows(name, own < 0, vocabulary, parents):
        aligned = aligned.to(torch.promote_types(aligned.dtype, rows.dtype))
        aligned[lacking] = rows.to(aligned.dtype)
    return aligned


def _lacking_rows(
    name: str, lacking: Tensor, vocabulary: Vocabulary, parents: Mapping[str, Parent]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Masks of rows that a model lacks, and what goes there."""
    pads = lacking & _pads(vocabulary)
    if bool(pads.any()):
        yield pads, parents[vocabulary.source].tensor(name)[pads.nonzero().reshape(-1)]
    base = torch.tensor(vocabulary.places(vocabulary.base))
    held = lacking & (base >= 0)
    if bool(held.any()):
        yield held, parents[vocabulary.base].tensor(name)[base[held]]
    rest = lacking & (base < 0) & ~pads
    if bool(rest.any()):
        yield rest, _mean(name, rest, vocabulary, parents)


def _mean(
    name: str, wanted: Tensor, vocabulary: Vocabulary, parents: Mapping[str, Parent]
) -> Tensor:
    """The mean of each wanted row over the models that have it."""
    shape = (int(wanted.sum()), *parents[vocabulary.source].tensor(name).shape[1:])
    sums = torch.zeros(shape)
    counts = torch.zeros_like(sums)
    for model in vocabulary.models:
        places = torch.tensor(vocabulary.places(model))[wanted]
        has = places >= 0
        sums[has] += parents[model].tensor(name)[places[has]].float()
        counts[has] += 1
    return sums / counts


def _pads(vocabulary: Vocabulary) -> Tensor:
    return torch.tensor([text is None for text in vocabulary.texts])
