"""Writing an archive: a base, the sum of the parents' task vectors, and a bit mask a parent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from merging.checkpoint import Parent, check_recipe, content_digest, open_parent
from merging.errors import CheckpointError, NonFiniteError, RecipeError
from merging.folders import copy_description, whole_folder
from merging.recipe import Recipe
from merging.tall_masks.manifest import (
    BASE_FILE,
    MASK_FILE,
    MERGED_FILE,
    TILE,
    Manifest,
    ParentEntry,
    ParentName,
    parent_folder,
)
from merging.tall_masks.masks import merged_vector, pack, tall_mask
from merging.tensor_file import TensorFile

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Sizes:
    """In bytes: the parents' weights; the archive's base, merged vector and masks."""

    parents: int
    archive: int

    @property
    def ratio(self) -> float:
        """The archive's size as a share of the parents'."""
        return self.archive / self.parents


class Models:
    """A base and parents of its shapes, mapped: what an archive is made of.

    Raises CheckpointError where they don't fit together, naming the first tensor that differs.
    """

    def __init__(self, base: Path, parents: Mapping[str, Path]) -> None:
        for name in parents:
            _check_name(name)
        self.base = open_parent(base)
        self.parents = {name: open_parent(folder) for name, folder in parents.items()}
        _check_alike(self.base, self.parents)
        self.floating: set[str] = set()
        for name in self.base.info.tensors:
            if self.base.tensor(name).is_floating_point():
                self.floating.add(name)
            else:
                _check_equal(name, self.base, self.parents)

    def merged_dtype(self, name: str) -> torch.dtype:
        """The type that a tensor's merged vector is kept in: the widest that it is made of.

        Its rounding, half a place at the size of the task vectors, is mostly far below that of the
        weights themselves, which are larger.
        """
        dtype = self.base.tensor(name).dtype
        for parent in self.parents.values():
            dtype = torch.promote_types(dtype, parent.tensor(name).dtype)
        return dtype

    def tiles(self, name: str, start: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Of a floating tensor, from a flat place on: the base, the merged vector rounded to its
        type, and the parents' task vectors; all in float32.

        Masks go by the vector as it is kept. Raises NonFiniteError for NaN or infinity.
        """
        opened = [self.base, *self.parents.values()]
        base, *others = (one.tensor(name).reshape(-1)[start : start + TILE] for one in opened)
        merged = merged_vector(base, others).to(self.merged_dtype(name)).float()
        if not bool(merged.isfinite().all()):
            raise NonFiniteError(f"the merged vector of tensor {name!r} holds NaN or infinity")
        base = base.float()
        return base, merged, [one.float() - base for one in others]

    def restored(self, parent: str, name: str, threshold: float) -> Tensor:
        """What an archive of this lambda would give back, in float32."""
        if name not in self.floating:
            return self.base.tensor(name)
        out = torch.empty(self.base.info.tensors[name].shape)
        flat, place = out.view(-1), list(self.parents).index(parent)
        for start in range(0, out.numel(), TILE):
            base, merged, deltas = self.tiles(name, start)
            flat[start : start + TILE] = base + tall_mask(deltas[place], merged, threshold) * merged
        return out


def compress(
    models: Models,
    thresholds: Mapping[str, float],
    out: Path,
    *,
    overwrite: bool = False,
    report: Report | None = None,
) -> Sizes:
    """Write an archive of the models to `out`; `thresholds` gives lambda by parent.

    Tile by tile: memory doesn't grow with the models. `report` is called with (tensors done,
    tensors in all). The folder appears whole or not at all.

    Raises CheckpointError if `out` holds anything and `overwrite` is not set, NonFiniteError for
    NaN or infinity in the weights.
    """
    with whole_folder(out, overwrite=overwrite) as draft:
        for name, parent in models.parents.items():
            parent_folder(draft, name).mkdir(parents=True)
            copy_description(parent.info.folder, parent_folder(draft, name))
        _write_tensors(models, thresholds, draft, report)
        _manifest(models, thresholds).write(draft)
    return Sizes(
        parents=sum(_weights_size(parent) for parent in models.parents.values()),
        archive=sum(path.stat().st_size for path in out.rglob("*.safetensors")),
    )


def _write_tensors(
    models: Models, thresholds: Mapping[str, float], draft: Path, report: Report | None
) -> None:
    names = list(models.base.info.tensors)
    floating = [name for name in names if name in models.floating]
    shapes = {name: models.base.info.tensors[name].shape for name in names}
    packed = {name: (math.prod(shapes[name]) + 7) // 8 for name in floating}
    with ExitStack() as stack:
        base_file = stack.enter_context(
            TensorFile(
                draft / BASE_FILE,
                {name: (models.base.tensor(name).dtype, shapes[name]) for name in names},
            )
        )
        merged_file = stack.enter_context(
            TensorFile(
                draft / MERGED_FILE,
                {name: (models.merged_dtype(name), shapes[name]) for name in floating},
            )
        )
        mask_files = {
            parent: stack.enter_context(
                TensorFile(
                    parent_folder(draft, parent) / MASK_FILE,
                    {name: (torch.uint8, (packed[name],)) for name in floating},
                )
            )
            for parent in models.parents
        }
        for number, name in enumerate(names, start=1):
            base_file.write(name, models.base.tensor(name))
            for start in range(0, math.prod(shapes[name]) if name in models.floating else 0, TILE):
                _, merged, deltas = models.tiles(name, start)
                merged_file.write(name, merged, start)
                for parent, delta in zip(models.parents, deltas, strict=True):
                    mask = tall_mask(delta, merged, thresholds[parent])
                    mask_files[parent].write(name, torch.from_numpy(pack(mask)), start // 8)
            if report is not None:
                report(number, len(names))


def _manifest(models: Models, thresholds: Mapping[str, float]) -> Manifest:
    return Manifest.model_validate(
        {
            "cuvee": version("cuvee"),
            "base_digest": content_digest(models.base.info.path),
            "parents": {
                name: ParentEntry.model_validate(
                    {
                        "digest": content_digest(parent.info.path),
                        "lambda": thresholds[name],
                        "dtypes": {one: parent.info.tensors[one].dtype for one in models.floating},
                    }
                )
                for name, parent in models.parents.items()
            },
        }
    )


def _check_name(name: str) -> None:
    try:
        TypeAdapter(ParentName).validate_python(name)
    except ValidationError:
        wanted = "letters, digits, '-', '_' and '.', the first a letter or digit"
        raise CheckpointError(f"parent {name!r}: a name is made of {wanted}") from None


def _check_alike(base: Parent, parents: Mapping[str, Parent]) -> None:
    """What can be added up as task vectors can be compressed."""
    recipe = Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "the base",
            "models": [{"model": name} for name in parents],
        }
    )
    infos = {"the base": base.info} | {name: parent.info for name, parent in parents.items()}
    for name, parent in parents.items():
        if parent.info.tied_embeddings != base.info.tied_embeddings:
            raise CheckpointError(f"of {name!r} and the base only one ties its embeddings")
    try:
        check_recipe(recipe, infos)
    except RecipeError as error:
        raise CheckpointError(error.message) from None


def _check_equal(name: str, base: Parent, parents: Mapping[str, Parent]) -> None:
    for parent, opened in parents.items():
        if not torch.equal(opened.tensor(name), base.tensor(name)):
            raise CheckpointError(
                f"tensor {name!r} of {parent!r} holds no floating-point numbers and differs from"
                " the base's: no task vector can stand for it"
            )


def _weights_size(parent: Parent) -> int:
    tensors = [parent.tensor(name) for name in parent.info.tensors]
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors)
