"""Models of different vocabularies: whose tokens the child has, and whose rows stand for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.alignment import align_parents
from merging.checkpoint import (
    CheckpointInfo,
    Parent,
    TensorInfo,
    inspect_checkpoint,
    open_parent,
)
from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.vocabulary import Tokens, Vocabulary, child_vocabulary
from tests.merging.conftest import Family
from tests.merging.vocabularies import ENDS, write_speaker

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Family:
    root = tmp_path_factory.mktemp("speakers")
    return {
        "base": write_speaker(root / "base", 0, ["one", "two", "is"], rows=7, tied=False),
        "ja": write_speaker(root / "ja", 1, ["two", "ichi", "ni"], added=["<ja>"], tied=False),
        "fr": write_speaker(root / "fr", 2, ["is", "un", "ichi", "one"], tied=False),
    }


def recipe(*models: str, **more: Any) -> Recipe:
    listed = [{"model": name} for name in models]
    return Recipe.parse({"merge_method": "linear", "models": listed} | more)


def delta_recipe(source: str | None = None) -> Recipe:
    more = {"merge_method": "task_arithmetic", "base_model": "base", "tokenizer_source": source}
    return recipe("ja", "fr", **more)


def vocabulary_of(one: Recipe, folders: Mapping[str, Path]) -> Vocabulary | None:
    return child_vocabulary(one, {name: inspect_checkpoint(path) for name, path in folders.items()})


def made(one: Recipe, folders: Mapping[str, Path]) -> Vocabulary:
    vocabulary = vocabulary_of(one, folders)
    assert vocabulary is not None
    return vocabulary


@pytest.mark.parametrize("source", [None, "base"])
def test_the_tokens_are_the_bases_unless_told(source: str | None, speakers: Family) -> None:
    vocabulary = made(delta_recipe(source), speakers)
    assert (vocabulary.source, vocabulary.rows) == ("base", 7)
    assert vocabulary.texts == [*ENDS, "one", "two", "is", None, None]


def test_the_first_model_is_the_base_where_there_is_none(speakers: Family) -> None:
    vocabulary = made(recipe("fr", "ja"), speakers)
    assert vocabulary.texts == [*ENDS, "is", "un", "ichi", "one"]
    assert (vocabulary.source, vocabulary.base) == ("fr", "fr")


def test_a_named_model_gives_its_tokens(speakers: Family) -> None:
    vocabulary = made(delta_recipe("ja"), speakers)
    assert vocabulary.texts == [*ENDS, "two", "ichi", "ni", "<ja>"]
    assert (vocabulary.source, vocabulary.base) == ("ja", "base")


def test_a_union_begins_with_the_base_and_follows_the_models(speakers: Family) -> None:
    vocabulary = made(delta_recipe("union"), speakers)
    words = ["one", "two", "is", "ichi", "ni", "<ja>", "un"]
    assert vocabulary.texts == [*ENDS, *words]
    assert vocabulary.rows == len(ENDS) + len(words)
    other = recipe("fr", "ja", base_model="base", merge_method="ties", tokenizer_source="union")
    assert made(other, speakers).texts[5:] == ["un", "ichi", "ni", "<ja>"]


@pytest.mark.parametrize("source", [None, "base", "ja", "union"])
@pytest.mark.parametrize("name", [EMBEDDINGS, HEAD])
def test_rows_go_by_the_text_of_their_token(
    source: str | None, name: str, speakers: Family
) -> None:
    vocabulary = made(delta_recipe(source), speakers)
    parents = {model: open_parent(folder) for model, folder in speakers.items()}
    aligned = align_parents(vocabulary, parents)
    stored = {model: parent.tensor(name) for model, parent in parents.items()}
    ids = {model: ids_of(folder) for model, folder in speakers.items()}
    for model, parent in aligned.items():
        rows = parent.tensor(name)
        assert rows.shape == parent.info.tensors[name].shape == (vocabulary.rows, 32)
        assert parent.info.config["vocab_size"] == vocabulary.rows
        for number, text in enumerate(vocabulary.texts):
            having = [one for one in stored if text in ids[one]]
            if text is None:
                expected = stored[vocabulary.source][number]
            elif model in having or "base" in having:
                owner = model if model in having else "base"
                expected = stored[owner][ids[owner][text]]
            else:
                expected = torch.stack([stored[one][ids[one][text]] for one in having]).mean(0)
            torch.testing.assert_close(rows[number], expected)


def ids_of(folder: Path) -> dict[str, int]:
    data = json.loads((folder / "tokenizer.json").read_text())
    added = {one["content"]: one["id"] for one in data["added_tokens"]}
    return {**data["model"]["vocab"], **added}


def test_what_a_union_holds_by_one_model_alone_is_that_models(speakers: Family) -> None:
    vocabulary = made(delta_recipe("union"), speakers)
    parents = {name: open_parent(folder) for name, folder in speakers.items()}
    aligned = align_parents(vocabulary, parents)
    ni = vocabulary.ids["ni"]
    rows = [one.tensor(EMBEDDINGS)[ni] for one in aligned.values()]
    expected = parents["ja"].tensor(EMBEDDINGS)[ids_of(speakers["ja"])["ni"]]
    assert all(torch.equal(row, expected) for row in rows)


def test_all_other_tensors_and_rows_in_place_are_not_copied(speakers: Family) -> None:
    parents = {name: open_parent(folder) for name, folder in speakers.items()}
    aligned = align_parents(made(delta_recipe(), speakers), parents)
    for model, parent in aligned.items():
        kept = [name for name in parent.info.tensors if name not in (EMBEDDINGS, HEAD)]
        kept += [EMBEDDINGS, HEAD] if model == "base" else []
        for name in kept:
            assert parent.tensor(name) is parents[model].tensor(name)
    assert aligned["ja"].tensor(HEAD) is aligned["ja"].tensor(HEAD)


def test_a_table_padded_to_another_length(tmp_path: Path) -> None:
    """Tokenizers alike, but 5 rows in one model and 8 in the other."""
    words = ["one", "two", "is"]
    folders = {
        "short": write_speaker(tmp_path / "short", 3, words),
        "long": write_speaker(tmp_path / "long", 4, words, rows=8),
    }
    parents = {name: open_parent(folder) for name, folder in folders.items()}
    stored = {name: parent.tensor(EMBEDDINGS) for name, parent in parents.items()}
    for first, second in (("short", "long"), ("long", "short")):
        aligned = align_parents(made(recipe(first, second), folders), parents)
        assert torch.equal(aligned[first].tensor(EMBEDDINGS), stored[first])
        rows = aligned[second].tensor(EMBEDDINGS)
        assert torch.equal(rows[:5], stored[second][:5])
        assert torch.equal(rows[5:], stored[first][5:])


def test_rows_of_another_type_widen_those_they_join(tmp_path: Path) -> None:
    folders = {
        "base": write_speaker(tmp_path / "base", 5, ["one", "two"]),
        "half": write_speaker(tmp_path / "half", 6, ["two", "drei"]),
    }
    file = folders["half"] / "model.safetensors"
    save_file({name: one.bfloat16() for name, one in load_file(file).items()}, file)
    parents = {name: open_parent(folder) for name, folder in folders.items()}
    rows = align_parents(made(recipe("base", "half"), folders), parents)["half"].tensor(EMBEDDINGS)
    assert torch.equal(rows[2], parents["base"].tensor(EMBEDDINGS)[2])
    assert torch.equal(rows[3], parents["half"].tensor(EMBEDDINGS)[2].float())


@pytest.mark.parametrize("source", [None, "union"])
def test_models_of_one_vocabulary_are_left_alone(source: str | None, speakers: Family) -> None:
    folders = {"a": speakers["ja"], "b": speakers["ja"]}
    assert vocabulary_of(recipe("a", "b", tokenizer_source=source), folders) is None


def test_the_model_that_gives_the_shapes_counts_too(speakers: Family) -> None:
    infos = {name: inspect_checkpoint(folder) for name, folder in speakers.items()}
    assert child_vocabulary(recipe("ja"), infos) is None
    vocabulary = child_vocabulary(recipe("ja"), infos, like="base")
    assert vocabulary is not None
    assert vocabulary.rows == infos["ja"].tensors[EMBEDDINGS].shape[0]


@pytest.mark.parametrize("text", ["", "[]", '{"model": 5}', '{"model": {"vocab": {"a": "x"}}}'])
def test_a_tokenizer_that_is_not_read(text: str, speakers: Family, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(speakers["ja"], tmp_path / "ja"))
    (folder / "tokenizer.json").write_text(text)
    folders = {"base": speakers["base"], "ja": folder}
    assert vocabulary_of(recipe("base", "ja"), folders) is None
    message = "'ja' has no tokenizer.json with a vocabulary"
    with pytest.raises(RecipeError, match=message) as caught:
        vocabulary_of(recipe("base", "ja", tokenizer_source="union"), folders)
    assert caught.value.field == "tokenizer_source"


def test_a_tokenizer_written_anew_is_read_anew(speakers: Family, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(speakers["ja"], tmp_path / "ja"))
    folders = {"base": speakers["base"], "ja": folder}
    assert vocabulary_of(recipe("ja", "base"), folders) is not None
    shutil.copyfile(speakers["fr"] / "tokenizer.json", folder / "tokenizer.json")
    assert made(recipe("ja", "base"), folders).texts[2] == "is"


def test_a_union_over_ids_with_gaps_is_refused(speakers: Family, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(speakers["ja"], tmp_path / "ja"))
    data = json.loads((folder / "tokenizer.json").read_text())
    del data["model"]["vocab"]["ichi"]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    folders = {"base": speakers["base"], "ja": folder}
    with pytest.raises(RecipeError, match="the ids of 'ja' have gaps"):
        vocabulary_of(recipe("ja", "base", tokenizer_source="union"), folders)


class Rows(Parent):
    """A parent of one table, in memory."""

    def __init__(self, info: CheckpointInfo, rows: Tensor) -> None:
        self.info = info
        self.rows = rows

    def tensor(self, name: str) -> Tensor:
        return self.rows


words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True)


@given(st.lists(words, min_size=2, max_size=4), st.integers(0, 3), st.booleans())
def test_no_row_is_ever_another_tokens(spoken: list[list[str]], source: int, union: bool) -> None:
    """With rows that tell their token, every row of every aligned parent tells the right one."""
    source %= len(spoken)
    letters = {str(number): word for number, word in enumerate(spoken)}
    models = {
        name: Tokens({letter: place for place, letter in enumerate(word)}, len(word), name)
        for name, word in letters.items()
    }
    ids = dict(models[str(source)].ids)
    if union:
        source = 0
        ids = dict(models["0"].ids)
        for word in spoken:
            for letter in word:
                ids.setdefault(letter, len(ids))
    vocabulary = Vocabulary(str(source), "0", union, ids, len(ids), models)
    tensors = {EMBEDDINGS: TensorInfo((1, 1), "float32", "memory")}
    info = CheckpointInfo(Path("memory"), {}, tensors, 1, tied_embeddings=True)
    parents = {
        model: Rows(info, torch.tensor([[float(ord(letter))] for letter in word]))
        for model, word in letters.items()
    }
    for parent in align_parents(vocabulary, parents).values():
        told = [chr(round(value)) for value in parent.tensor(EMBEDDINGS).flatten().tolist()]
        assert told == vocabulary.texts
