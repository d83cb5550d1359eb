"""A child as a folder that transformers loads."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from merging.checkpoint import CheckpointInfo, check_recipe, inspect_checkpoint, open_parent
from merging.engine import check_finite
from merging.errors import CheckpointError
from merging.merger import Merger
from merging.recipe import Recipe
from merging.site import Workshop

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)


def write_checkpoint(
    recipe: Recipe, parents: Mapping[str, Path], out: Path, *, overwrite: bool = False
) -> None:
    """Merge `recipe` and write config, weights, tokenizer, generation settings and recipe.yaml.

    The weights are of `out_dtype`, else `dtype`, else of the type that they have in the base
    model, or in the first model where there is none; config.json comes from there too. The
    tokenizer and generation settings come from `tokenizer_source`, else from the same model.
    The folder appears whole or not at all. Raises CheckpointError if `out` holds anything and
    `overwrite` is not set, RecipeError and NonFiniteError as merging does.
    """
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out}: is a file, not a folder to write to")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise CheckpointError(f"{out}: already holds files; choose another folder or overwrite")
    infos = {name: inspect_checkpoint(folder) for name, folder in parents.items()}
    check_recipe(recipe, infos)
    like = recipe.base_model or recipe.model_names()[0]
    template = infos[like]
    source = recipe.tokenizer_source
    tokenizer = template if source in (None, "base") else infos[str(source)]

    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    draft.mkdir()
    try:
        _write_weights(recipe, parents, like, draft / "model.safetensors")
        _write_config(recipe, template, draft / "config.json")
        for name in _TOKENIZER_FILES:
            if (tokenizer.path / name).is_file():
                shutil.copyfile(tokenizer.path / name, draft / name)
        (draft / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        _replace(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@torch.no_grad()
def _write_weights(recipe: Recipe, parents: Mapping[str, Path], like: str, path: Path) -> None:
    opened = {name: open_parent(parents[name]) for name in recipe.model_names()}
    merger = Merger(recipe, opened, like=like, workshop=Workshop())
    tensors = {}
    for name, info in opened[like].info.tensors.items():
        merged = merger.tensor(name)
        if merged.is_floating_point():
            merged = merged.to(getattr(torch, recipe.out_dtype or recipe.dtype or info.dtype))
        tensors[name] = merged
    numbers = {name: one for name, one in tensors.items() if one.is_floating_point()}
    check_finite(numbers, [one.sum(dtype=torch.float32) for one in numbers.values()])
    save_file(tensors, path, metadata={"format": "pt"})


def _write_config(recipe: Recipe, template: CheckpointInfo, path: Path) -> None:
    # What names other code or another folder has no place in a folder that stands alone.
    dropped = ("auto_map", "_name_or_path")
    config = {key: value for key, value in template.config.items() if key not in dropped}
    dtype = recipe.out_dtype or recipe.dtype
    if dtype is not None:
        config.pop("torch_dtype", None)
        config["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _replace(draft: Path, out: Path) -> None:
    """Put `draft` in the place of `out`, whose old content is gone only after that."""
    if not out.exists():
        draft.rename(out)
        return
    old = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)
