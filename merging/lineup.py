"""The parents of one recipe after another, brought to the vocabulary and the head of its child."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import Parameter
from transformers import GenerationConfig

from merging.alignment import align_parents, parents_with_heads
from merging.checkpoint import Parent
from merging.dataflow.path import read_path
from merging.heads import child_is_tied
from merging.recipe import Recipe
from merging.site import Workshop
from merging.statistics import Statistics
from merging.tokenizer_files import write_tokenizer
from merging.vocabulary import TOKEN_KEYS, Vocabulary, child_vocabulary, token_tensors, tokens_of

# A search needs one; averages of each subset of parents, and parents alone, others.
_KEPT = 4


@dataclass(frozen=True)
class Lineup:
    """Parents as they are merged, what is kept of them, the child's vocabulary if they had several,
    and whether its head is its embeddings."""

    parents: Mapping[str, Parent]
    digests: Mapping[str, str]
    workshop: Workshop
    vocabulary: Vocabulary | None
    tied: bool


class Lineups:
    """The line-ups that an engine's parents make; `like` gives children their shapes.

    The last few are kept, each with one or two rearranged tensors a parent. Parents of one
    vocabulary that all tie their embeddings, or none, make one line-up, of themselves: `whole`.
    """

    def __init__(
        self,
        parents: Mapping[str, Parent],
        *,
        like: str,
        workshop: Workshop,
        digests: Mapping[str, str],
        statistics: Path | None,
    ) -> None:
        self._like = like
        self._infos = {name: parent.info for name, parent in parents.items()}
        tied = self._infos[like].tied_embeddings
        self.whole = Lineup(parents, digests, workshop, None, tied)
        self._statistics = statistics
        self._kept: dict[tuple[str, bool], Lineup] = {}
        self._tokenizers: dict[str, Path] = {}

    def of(self, recipe: Recipe) -> Lineup:
        """The line-up of a recipe; raises RecipeError if there is no vocabulary for its child."""
        vocabulary = child_vocabulary(recipe, self._infos, like=self._like)
        tied = child_is_tied(recipe, self._infos)
        alike = all(info.tied_embeddings == tied for info in self._infos.values())
        if vocabulary is None and alike:
            return self.whole
        key = ("" if vocabulary is None else vocabulary.digest, tied)
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._make(recipe, vocabulary, tied=tied)
        return self._kept[key]

    def tokenizer_folder(self, recipe: Recipe) -> Path:
        """Where the tokenizer of a recipe's child lies.

        The same folder wherever the tokens are those of the model `like`.
        """
        vocabulary = self.of(recipe).vocabulary
        if vocabulary is not None and vocabulary.union:
            return self._union(vocabulary)
        path = read_path(recipe)
        model = path.first if path is not None else self._like
        if vocabulary is not None:
            model = vocabulary.source
        tokens = [tokens_of(self._infos[name]) for name in (model, self._like)]
        known = [one.digest for one in tokens if one is not None]
        same = len(known) < 2 or known[0] == known[1]
        return self._infos[self._like if same else model].folder

    def fit(self, model: Any, lineup: Lineup) -> None:
        """Give a resident model the head, rows and special tokens of a line-up's child, in place.

        Where the number of rows changes, or whether the head is tied, tables are new parameters, of
        any content.
        """
        _tie(model, tied=lineup.tied)
        vocabulary = lineup.vocabulary
        like = self._infos[self._like]
        source = like if vocabulary is None else self._infos[vocabulary.source]
        rows = vocabulary.rows if vocabulary else like.tensors[token_tensors(like)[0]].shape[0]
        if model.get_input_embeddings().weight.shape[0] != rows:
            # What it draws for the new rows is overwritten, and must not disturb others' draws.
            with torch.random.fork_rng(devices=[]):
                model.resize_token_embeddings(rows, mean_resizing=False)
        model.requires_grad_(False)
        for key in TOKEN_KEYS:
            setattr(model.config, key, source.config.get(key))
        if (source.folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(source.folder)
        else:
            model.generation_config = GenerationConfig.from_model_config(model.config)

    def _make(self, recipe: Recipe, vocabulary: Vocabulary | None, *, tied: bool) -> Lineup:
        whole = self.whole
        headed = parents_with_heads(recipe, whole.parents)
        if vocabulary is None:
            # Statistics go by the names of models and tensors, and a tied model's head is one more.
            return replace(whole, parents=headed, tied=tied)
        digests = {
            name: f"{whole.digests.get(name, name)}/{vocabulary.digest}" for name in self._infos
        }
        workshop = Workshop(Statistics(self._statistics), whole.workshop.runner)
        return Lineup(align_parents(vocabulary, headed), digests, workshop, vocabulary, tied)

    def _union(self, vocabulary: Vocabulary) -> Path:
        if vocabulary.digest not in self._tokenizers:
            folder = Path(tempfile.mkdtemp(prefix="cuvee-tokenizer-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            write_tokenizer(vocabulary, self._infos, folder)
            self._tokenizers[vocabulary.digest] = folder
        return self._tokenizers[vocabulary.digest]


def _tie(model: Any, *, tied: bool) -> None:
    """Make the head the embeddings, or a parameter of its own."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if (head.weight is embeddings.weight) == tied:
        return
    model.config.tie_word_embeddings = tied
    if tied:
        model.tie_weights()
    else:
        head.weight = Parameter(torch.empty_like(embeddings.weight))
