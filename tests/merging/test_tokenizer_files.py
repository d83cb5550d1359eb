"""A child's tokenizer: a union has the vocabulary's ids, and cuts text as the base does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from merging.checkpoint import CheckpointInfo, inspect_checkpoint
from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.tokenizer_files import write_tokenizer
from merging.vocabulary import Vocabulary, child_vocabulary
from tests.merging.conftest import write_model

ENGLISH = ["the cat sat on the mat", "the cat and the hat", "that is the cat", "a mat on a cat"]
GERMAN = ["die katze sitzt auf der matte", "der hut der katze", "auf der katze sitzt der hut"]
SETTINGS = {"tokenizer_class": "TokenizersBackend", "eos_token": "</s>"}


def byte_pairs(texts: Sequence[str], size: int, special: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def unigrams(texts: Sequence[str], size: int, special: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=[*special, "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def pair(root: Path, make: Any, size: int) -> dict[str, Path]:
    """An English base with an added token, a German model with another."""
    folders: dict[str, Path] = {}
    for name, texts, added in (("en", ENGLISH, "<en>"), ("de", GERMAN, "<de>")):
        tokenizer = make(texts, size, ["</s>"])
        tokenizer.add_tokens([AddedToken(added, lstrip=True)])
        folder = write_model(root / name, len(folders), vocab_size=tokenizer.get_vocab_size())
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS))
        (folder / "vocab.json").write_text("{}")
        folders[name] = folder
    return folders


def union_of(folders: Mapping[str, Path]) -> tuple[Vocabulary, dict[str, CheckpointInfo]]:
    infos = {name: inspect_checkpoint(folder) for name, folder in folders.items()}
    recipe = Recipe.parse(
        {
            "merge_method": "linear",
            "models": [{"model": name} for name in folders],
            "tokenizer_source": "union",
        }
    )
    vocabulary = child_vocabulary(recipe, infos)
    assert vocabulary is not None
    return vocabulary, infos


def written(folders: Mapping[str, Path], out: Path) -> tuple[Vocabulary, Any]:
    vocabulary, infos = union_of(folders)
    out.mkdir()
    write_tokenizer(vocabulary, infos, out)
    return vocabulary, AutoTokenizer.from_pretrained(out)


@pytest.mark.parametrize(("make", "size"), [(byte_pairs, 290), (unigrams, 40)])
def test_ids_and_round_trips(make: Any, size: int, tmp_path: Path) -> None:
    folders = pair(tmp_path, make, size)
    vocabulary, union = written(folders, tmp_path / "union")
    assert union.get_vocab() == vocabulary.ids
    assert len(union) == vocabulary.rows
    for text in (*ENGLISH, *GERMAN):
        assert union.decode(union.encode(text)).strip() == text
    assert not (tmp_path / "union" / "vocab.json").exists()


def test_byte_pairs_of_the_others_join_after_the_bases(tmp_path: Path) -> None:
    folders = pair(tmp_path, byte_pairs, 290)
    _, union = written(folders, tmp_path / "union")
    english = AutoTokenizer.from_pretrained(folders["en"])
    known = english.get_vocab()
    shorter = 0
    for text in (*ENGLISH, *GERMAN):
        tokens = union.tokenize(text)
        cut = english.tokenize(text)
        # Every new token is made of whole tokens of the base's.
        pieces = [token for one in tokens for token in ([one] if one in known else parts(one, cut))]
        assert pieces == cut
        shorter += len(tokens) < len(cut)
    assert shorter >= len(GERMAN)


def parts(token: str, cut: list[str]) -> list[str]:
    """Consecutive entries of `cut` that together are `token`."""
    for start in range(len(cut)):
        for end in range(start + 1, len(cut) + 1):
            if "".join(cut[start:end]) == token:
                return cut[start:end]
    raise AssertionError(f"{token!r} is not made of {cut}")


def test_added_tokens_are_added(tmp_path: Path) -> None:
    folders = pair(tmp_path, byte_pairs, 280)
    vocabulary, union = written(folders, tmp_path / "union")
    for token in ("<en>", "<de>", "</s>"):
        assert union.encode(f"x{token}x")[1] == vocabulary.ids[token]
    data = json.loads((tmp_path / "union" / "tokenizer.json").read_text())
    added = {one["content"]: one for one in data["added_tokens"]}
    assert added["<de>"]["lstrip"] is True
    assert [one["id"] for one in data["added_tokens"]] == sorted(
        vocabulary.ids[token] for token in added
    )


def test_merges_as_one_text(tmp_path: Path) -> None:
    """As files of earlier versions have them."""
    folders = pair(tmp_path, byte_pairs, 290)
    _, before = written(folders, tmp_path / "before")
    path = folders["de"] / "tokenizer.json"
    data = json.loads(path.read_text())
    data["model"]["merges"] = [" ".join(merge) for merge in data["model"]["merges"]]
    path.write_text(json.dumps(data))
    _, after = written(folders, tmp_path / "after")
    assert [after.encode(text) for text in GERMAN] == [before.encode(text) for text in GERMAN]


def test_a_unigram_models_scores_stay(tmp_path: Path) -> None:
    folders = pair(tmp_path, unigrams, 40)
    written(folders, tmp_path / "union")
    base, other, union = (scores(one) for one in (*folders.values(), tmp_path / "union"))
    assert {token: union[token] for token in base} == base
    new = [token for token in other if token not in base]
    assert new
    assert all(union[token] == other[token] for token in new)
    assert union["<de>"] == min(*base.values(), *other.values())


def scores(folder: Path) -> dict[str, float]:
    return dict(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])


def test_tokenizers_of_two_kinds(tmp_path: Path) -> None:
    folders = {
        "en": pair(tmp_path / "a", byte_pairs, 280)["en"],
        "de": pair(tmp_path / "b", unigrams, 40)["de"],
    }
    vocabulary, infos = union_of(folders)
    with pytest.raises(RecipeError, match="'en' has a BPE tokenizer, 'de' a Unigram one"):
        write_tokenizer(vocabulary, infos, tmp_path)


def test_without_a_union_the_tokenizer_is_copied(tmp_path: Path) -> None:
    folders = pair(tmp_path, byte_pairs, 280)
    vocabulary, infos = union_of(folders)
    out = tmp_path / "out"
    out.mkdir()
    write_tokenizer(replace(vocabulary, union=False, source="de"), infos, out)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json"):
        assert (out / name).read_bytes() == (folders["de"] / name).read_bytes()
