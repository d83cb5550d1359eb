"""Many children, one after another, in the memory of one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from merging.calibration.store import Measured
from merging.checkpoint import Parent, content_digest, open_parent
from merging.checks import check_recipe
from merging.dataflow.build import PathBuilder
from merging.dataflow.path import read_path
from merging.errors import CheckpointError
from merging.finite import check_finite
from merging.lineup import Lineup, Lineups
from merging.merger import Merger
from merging.moe.layout import stored_tensors
from merging.pointwise import Runner
from merging.recipe import Recipe
from merging.site import Workshop
from merging.statistics import Statistics

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# Below this many numbers, the second that a compiler takes is longer than a search can save.
COMPILED_FROM = 1 << 18


class MergeEngine:
    """Mapped parents and one resident model, whose weights become those of each child in turn.

    The resident has the architecture of the first of `parents` (by name in recipes: folder).
    Memory is that of one model, in `dtype`, and little more: the parents, and what `statistics`
    keeps of them, lie in files that processes share; a method that needs more says so. Of parents
    with different vocabularies the embeddings and heads are in memory too, and the resident has
    the vocabulary of the last child (see `merging.vocabulary`), as it has its head, its own or its
    embeddings (see `merging.heads`). A child depends on its recipe
    alone, never on what was merged before.

    `statistics` is the folder for what is computed once from the parents (by default a temporary
    one). `compiled`: merge by compiled loops; by default where the model is large enough.

    Raises CheckpointError if a folder is no checkpoint of the resident's kind.
    """

    def __init__(
        self,
        parents: Mapping[str, Path],
        *,
        device: str = "cpu",
        dtype: str = "float32",
        statistics: Path | None = None,
        compiled: bool | None = None,
    ) -> None:
        if not parents:
            raise CheckpointError("an engine needs at least one parent")
        self._parents = {name: open_parent(folder) for name, folder in parents.items()}
        self._like = next(iter(self._parents))
        first = self._parents[self._like].info
        with _without_progress_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(
                first.folder,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        self._model: PreTrainedModel = model.to(device).eval().requires_grad_(False)
        self._device = device
        # Tied weights come once; their other names follow.
        self._targets: dict[str, Tensor] = stored_tensors(self._model)
        for name in self._targets:
            if name not in first.tensors:
                raise CheckpointError(f"{first.path}: the model has a tensor {name!r}, it has not")
        if first.adapter is not None:
            for name, target in self._targets.items():
                target.copy_(self._parents[self._like].tensor(name))
        if compiled is None:
            compiled = sum(one.numel() for one in self._targets.values()) >= COMPILED_FROM
        self._paths = PathBuilder(self._parents, device=device, dtype=getattr(torch, dtype))
        self._workshop = Workshop(Statistics(statistics), Runner(compiled=compiled))
        # Only statistics that outlive the engine need a name that does.
        self._digests = (
            {} if statistics is None else {name: content_digest(parents[name]) for name in parents}
        )
        self._lineups = Lineups(
            self._parents,
            like=self._like,
            workshop=self._workshop,
            digests=self._digests,
            statistics=statistics,
        )
        self._lineup = self._lineups.whole

    @property
    def model(self) -> PreTrainedModel:
        """The resident: the child of the last `merge`, before any the first parent."""
        return self._model

    @property
    def parents(self) -> Mapping[str, Parent]:
        """The parents by name."""
        return self._parents

    def tokenizer_folder(self, recipe: Recipe) -> Path:
        """Where the tokenizer of a recipe's child lies; one folder where all models share one.

        Raises RecipeError.
        """
        return self._lineups.tokenizer_folder(recipe)

    @property
    def compiled(self) -> bool:
        """Whether merging runs by compiled loops."""
        return self._workshop.runner.compiled

    @torch.no_grad()
    def merge(self, recipe: Recipe, measured: Measured | None = None) -> PreTrainedModel:
        """Make the resident the child of `recipe`, in place, and return it.

        `measured` is what the recipe's method needs to know of its models, if it is data-driven.

        The child of a path through blocks is another model, over the parents' own weights, and the
        resident stays as it was.

        Raises RecipeError or CalibrationError, with the resident as it was, or NonFiniteError, with
        the resident in no use until the next merge.
        """
        path = read_path(recipe)
        if path is not None:
            check_recipe(recipe, {name: one.info for name, one in self._parents.items()})
            return self._paths.build(path)
        lineup = self._lineups.of(recipe)
        merger = Merger(
            recipe,
            lineup.parents,
            like=self._like,
            workshop=lineup.workshop,
            digests=lineup.digests,
            device=self._device,
            measured=measured,
        )
        self._fit(lineup)
        sums = [merger.write(name, target) for name, target in self._targets.items()]
        check_finite(self._targets, sums, lineup.parents)
        return self._model

    def _fit(self, lineup: Lineup) -> None:
        """Give the resident the vocabulary and the head of a line-up."""
        if lineup is not self._lineup:
            self._lineups.fit(self._model, lineup)
            self._targets = stored_tensors(self._model)
            self._lineup = lineup


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    switch: Any = logging
    shown = switch.is_progress_bar_enabled()
    switch.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            switch.enable_progress_bar()
