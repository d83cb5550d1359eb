"""The tokenizer of a child: that of one model, or the base's with the tokens of the others too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merging.checkpoint import CheckpointInfo
from merging.errors import RecipeError
from merging.model_files import TOKENIZER_FILES
from merging.vocabulary import Vocabulary

# These say again, for other readers, what tokenizer.json says.
_REPEATED = ("tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json")


def write_tokenizer(
    vocabulary: Vocabulary, infos: Mapping[str, CheckpointInfo], folder: Path
) -> None:
    """Write the tokenizer and generation settings of the vocabulary's child to `folder`.

    In a union text is cut as the base cuts it, but for the new tokens: the other models' added
    tokens are added, and their ordinary ones join the base's own. Those of a byte-pair model come
    with the merges that make them, after all of the base's; so a new token is found only where
    the base's merges leave its parts. Raises RecipeError where the tokenizers are not
    of one kind.
    """
    copy_tokenizer(infos[vocabulary.source], folder)
    if vocabulary.union:
        for name in _REPEATED:
            (folder / name).unlink(missing_ok=True)
        data = {
            name: json.loads((infos[name].folder / "tokenizer.json").read_text(encoding="utf-8"))
            for name in vocabulary.models
        }
        united = _united(vocabulary, data)
        text = json.dumps(united, ensure_ascii=False, indent=2)
        (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")


def copy_tokenizer(info: CheckpointInfo, folder: Path) -> None:
    """Copy a model's tokenizer and generation settings to `folder`."""
    for name in TOKENIZER_FILES:
        if (info.folder / name).is_file():
            shutil.copyfile(info.folder / name, folder / name)


def _united(vocabulary: Vocabulary, data: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    base = data[vocabulary.base]
    kind = base["model"].get("type")
    for name, one in data.items():
        if one["model"].get("type") != kind:
            message = f"is 'union', but {vocabulary.base!r} has a {kind} tokenizer, {name!r} a "
            raise RecipeError("tokenizer_source", f"{message}{one['model'].get('type')} one")
    model = {**base["model"]}
    ordered = sorted(vocabulary.ids, key=vocabulary.ids.__getitem__)
    if isinstance(model["vocab"], list):
        model["vocab"] = _scored(ordered, vocabulary.base, data)
    else:
        # Added tokens are among them: a reader numbers those that are not by itself.
        model["vocab"] = {token: vocabulary.ids[token] for token in ordered}
    if "merges" in model:
        model["merges"] = _merges(vocabulary, data)
    return {**base, "model": model, "added_tokens": _added_tokens(vocabulary, data)}


def _added_tokens(
    vocabulary: Vocabulary, data: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The base's added tokens, and those of others that are new; each as its first model has it."""
    known = vocabulary.models[vocabulary.base].ids
    added: dict[str, dict[str, Any]] = {}
    for name in [vocabulary.base, *data]:
        for one in data[name].get("added_tokens") or ():
            token = one["content"]
            if token in vocabulary.ids and (name == vocabulary.base or token not in known):
                added.setdefault(token, {**one, "id": vocabulary.ids[token]})
    return sorted(added.values(), key=lambda one: int(one["id"]))


def _scored(
    tokens: list[str], base: str, data: Mapping[str, dict[str, Any]]
) -> list[tuple[str, float]]:
    """Tokens with the base's scores, else another model's; an added token's is the lowest."""
    scores: dict[str, float] = {}
    for name in [base, *data]:
        for token, score in data[name]["model"]["vocab"]:
            scores.setdefault(token, score)
    lowest = min(scores.values())
    return [(token, scores.get(token, lowest)) for token in tokens]


def _merges(vocabulary: Vocabulary, data: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """The base's merges, then the other models' that make tokens which the base has not."""
    known = vocabulary.models[vocabulary.base].ids
    prefix = data[vocabulary.base]["model"].get("continuing_subword_prefix") or ""
    merges: dict[tuple[str, str], None] = {}
    for name in [vocabulary.base, *data]:
        for merge in data[name]["model"]["merges"]:
            # Older files write a merge as one text, with a blank between its parts.
            left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
            product = left + right.removeprefix(prefix)
            if product in vocabulary.ids and (name == vocabulary.base or product not in known):
                merges.setdefault((left, right))
    return [list(pair) for pair in merges if all(part in vocabulary.ids for part in pair)]
