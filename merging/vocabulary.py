"""Models of different vocabularies: which tokens the child has, and which row of which model each
token's embedding comes from.

The tokens of a child are those of the model that `tokenizer_source` names ("base" or nothing: the
base, or the first model where there is none), or of all models together ("union": the base's
under their own numbers, then what the others have besides, in the order of the models). Rows of
embeddings and heads go by the token's text. For a token that a model lacks it takes the base's row,
so that it changes nothing there; for one that the base lacks too, the mean of the rows of the
models that have it. Rows without a token, by which a table is padded, are those of the model that
gives the tokens, as is their number.

A vocabulary is read from tokenizer.json. Models without a readable one are taken to have the same
tokens, and must then have as many rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from merging.catalogue import get_method
from merging.dataflow.path import read_path
from merging.errors import RecipeError

if TYPE_CHECKING:
    from merging.checkpoint import CheckpointInfo
    from merging.recipe import Recipe

UNION = "union"

_EMBEDDINGS = re.compile(r"(^|\.)(embed_tokens|embed_in|wte|word_embeddings)\.weight$")
_HEADS = re.compile(r"(^|\.)(lm_head|embed_out)\.(weight|bias)$")
TOKEN_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id")
_KEPT = 64


@dataclass(frozen=True)
class Tokens:
    """The ids of a model's tokens, as far as its embeddings have a row for them, and the number of
    rows."""

    ids: Mapping[str, int]
    rows: int
    digest: str


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a child, and those of each model that it is merged from.

    `source` is the model that gives the tokens and the rows without one; in a `union`, the base.
    `base` gives the rows that another model lacks.
    """

    source: str
    base: str
    union: bool
    ids: Mapping[str, int]
    rows: int
    models: Mapping[str, Tokens]

    @cached_property
    def digest(self) -> str:
        """Equal for equal vocabularies of equal models: a name for the rows that they make."""
        models = [(name, one.rows, one.digest) for name, one in self.models.items()]
        text = json.dumps([self.source, self.base, self.union, self.rows, models])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def texts(self) -> list[str | None]:
        """The token of each row of the child; None where there is none."""
        texts: list[str | None] = [None] * self.rows
        for token, number in self.ids.items():
            if number < self.rows:
                texts[number] = token
        return texts

    def places(self, model: str) -> list[int]:
        """For each row of the child the model's row of the same token, or -1."""
        ids = self.models[model].ids
        return [-1 if token is None else ids.get(token, -1) for token in self.texts]

    def info(self, info: CheckpointInfo) -> CheckpointInfo:
        """What a model is once its rows are those of the child."""
        tensors = {
            name: replace(one, shape=(self.rows, *one.shape[1:]))
            for name, one in info.tensors.items()
            if name in token_tensors(info)
        }
        config = {**info.config, "vocab_size": self.rows}
        return replace(info, tensors={**info.tensors, **tensors}, config=config)

    def config(self, infos: Mapping[str, CheckpointInfo]) -> dict[str, object]:
        """What the child's config.json says of its tokens."""
        given = infos[self.source].config
        return {"vocab_size": self.rows} | {key: given[key] for key in TOKEN_KEYS if key in given}


def child_vocabulary(
    recipe: Recipe, infos: Mapping[str, CheckpointInfo], *, like: str | None = None
) -> Vocabulary | None:
    """The vocabulary of a recipe's child; None where its models, and `like`, have all the same.

    Also None for a path through blocks, which has the tokens of its first model, and where there
    is nothing to go by, since a model has no readable tokenizer: whether the shapes agree is then
    for `check_recipe` to say, as are names that `infos` lacks. Raises RecipeError for a union that
    cannot be made, and for a data-driven method of several models: what it knows of them goes by
    their own rows.
    """
    if read_path(recipe) is not None:
        return None
    names = [name for name in recipe.model_names() if name in infos]
    source = recipe.tokenizer_source
    base = recipe.base_model or recipe.model_names()[0]
    union = source == UNION and UNION not in names
    owner = base if source in (None, "base") or union else str(source)
    if base not in names or owner not in names:
        return None
    found = {name: tokens_of(infos[name]) for name in dict.fromkeys([*names, like or base])}
    known = {name: one for name, one in found.items() if one is not None}
    if len(known) < len(found):
        unread = next(name for name in found if name not in known)
        if union:
            message = f"is 'union', but {unread!r} has no tokenizer.json with a vocabulary"
            raise RecipeError("tokenizer_source", message)
        return None
    if len({(one.rows, one.digest) for one in known.values()}) == 1:
        return None
    models = {name: known[name] for name in names}
    method = get_method(recipe.merge_method)
    if method.statistic is not None and len(models) > 1:
        message = f"method {method.name!r} needs models of one vocabulary"
        raise RecipeError("merge_method", message)
    ids, rows = models[owner].ids, models[owner].rows
    if union:
        ids = _union(models, base)
        rows = max(rows, len(ids))
    return Vocabulary(owner, base, union, ids, rows, models)


def child_infos(
    recipe: Recipe, infos: Mapping[str, CheckpointInfo]
) -> Mapping[str, CheckpointInfo]:
    """The models as `check_recipe` is to see them: with the rows of the recipe's child."""
    vocabulary = child_vocabulary(recipe, infos)
    if vocabulary is None:
        return infos
    return {
        name: vocabulary.info(info) if name in vocabulary.models else info
        for name, info in infos.items()
    }


def embedding_tables(info: CheckpointInfo) -> list[str]:
    """Names of the tensors with the embeddings of tokens: one, unless it is a model of an unusual
    make."""
    return [name for name in info.tensors if _EMBEDDINGS.search(name)]


def token_tensors(info: CheckpointInfo) -> tuple[str, ...]:
    """Names of the tensors with a row a token: the embeddings, and heads of as many rows."""
    tables = embedding_tables(info)
    if len(tables) != 1:
        return ()
    rows = info.tensors[tables[0]].shape[0]
    heads = [name for name in info.tensors if _HEADS.search(name)]
    return (*tables, *(name for name in heads if info.tensors[name].shape[0] == rows))


def tokens_of(info: CheckpointInfo) -> Tokens | None:
    """A model's tokens; None if its tokenizer.json or its embeddings are not found or not read."""
    path = info.folder / "tokenizer.json"
    tables = token_tensors(info)
    if not tables or not path.is_file():
        return None
    status = path.stat()
    rows = info.tensors[tables[0]].shape[0]
    return _read(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns, rows)


def _union(models: Mapping[str, Tokens], base: str) -> dict[str, int]:
    """The base's ids, then those of further tokens, each model's in the order of its own."""
    ids = dict(models[base].ids)
    if set(ids.values()) != set(range(len(ids))):
        message = f"is 'union', but the ids of {base!r} have gaps, or two tokens of one id"
        raise RecipeError("tokenizer_source", message)
    for tokens in models.values():
        for token in sorted(tokens.ids, key=tokens.ids.__getitem__):
            ids.setdefault(token, len(ids))
    return ids


@lru_cache(maxsize=_KEPT)
def _read(path: Path, inode: int, size: int, changed: int, rows: int) -> Tokens | None:
    # The next three are the file's state, for the cache alone.
    del inode, size, changed
    ids = _read_ids(path)
    if ids is None:
        return None
    digest = hashlib.sha256(json.dumps(sorted(ids.items())).encode()).hexdigest()
    return Tokens({token: number for token, number in ids.items() if number < rows}, rows, digest)


def _read_ids(path: Path) -> dict[str, int] | None:
    """All tokens of a tokenizer.json by their text, the added ones too; None if it has none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = data["model"]["vocab"]
        # A unigram model lists its tokens with their scores.
        listed = isinstance(vocabulary, list)
        ids = {one[0]: i for i, one in enumerate(vocabulary)} if listed else dict(vocabulary)
        ids |= {one["content"]: one["id"] for one in data.get("added_tokens") or ()}
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return ids if all(isinstance(number, int) for number in ids.values()) else None
