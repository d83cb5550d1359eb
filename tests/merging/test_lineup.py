"""Children of models with different vocabularies: in the resident, and in folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from merging.checkpoint import inspect_checkpoint, open_parent
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import NonFiniteError, RecipeError
from merging.export import write_checkpoint
from merging.recipe import Recipe
from tests.merging.conftest import Family
from tests.merging.vocabularies import ENDS, write_speaker

EMBEDDINGS = "model.embed_tokens.weight"
WORDS = {
    "base": ["one", "two", "is"],
    "ja": ["two", "ichi", "is", "ni", "one"],
    "fr": ["is", "un", "ichi", "one"],
}


@pytest.fixture(scope="module", params=["tied", "untied"])
def speakers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    root = tmp_path_factory.mktemp("speakers")
    tied = request.param == "tied"
    return {
        "base": write_speaker(root / "base", 0, WORDS["base"], rows=8, tied=tied),
        "ja": write_speaker(root / "ja", 1, WORDS["ja"], added=["<ja>"], tied=tied),
        "fr": write_speaker(root / "fr", 2, WORDS["fr"], tied=tied),
    }


def recipe(source: str | None = None, method: str = "task_arithmetic", **more: Any) -> Recipe:
    data: dict[str, Any] = {
        "merge_method": method,
        "base_model": "base",
        "models": [
            {"model": "ja", "parameters": {"weight": 0.5}},
            {"model": "fr", "parameters": {"weight": 0.25}},
        ],
        "tokenizer_source": source,
    }
    return Recipe.parse(data | more)


def alone(name: str) -> Recipe:
    return Recipe.parse({"merge_method": "linear", "models": [{"model": name}]})


def logits(model: PreTrainedModel, ids: list[int]) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(torch.tensor([ids])).logits[0]
    return found


def row(folder: Path, word: str) -> Tensor:
    return open_parent(folder).tensor(EMBEDDINGS)[[*ENDS, *WORDS[folder.name]].index(word)]


def test_words_meet_their_like(speakers: Family) -> None:
    model = MergeEngine(speakers).merge(recipe())
    merged = dict(model.named_parameters())[EMBEDDINGS]
    base, ja, fr = speakers.values()
    one = row(base, "one")
    expected = one + 0.5 * (row(ja, "one") - one) + 0.25 * (row(fr, "one") - one)
    torch.testing.assert_close(merged[2], expected)
    two = row(base, "two")
    # The third model has no such word, and changes nothing in it.
    torch.testing.assert_close(merged[3], two + 0.5 * (row(ja, "two") - two))
    # Rows that pad the table stay.
    assert torch.equal(merged[5:], open_parent(base).tensor(EMBEDDINGS)[5:])


@pytest.mark.parametrize("name", ["base", "ja", "fr"])
def test_a_model_alone_speaks_its_own_language(name: str, speakers: Family) -> None:
    engine = MergeEngine(speakers)
    engine.merge(recipe("union"))
    model = engine.merge(alone(name))
    own = AutoModelForCausalLM.from_pretrained(speakers[name])
    ids = list(range(len(ENDS) + len(WORDS[name])))
    assert torch.equal(logits(model, ids), logits(own, ids))
    assert model.config.vocab_size == own.config.vocab_size
    tokenizer = AutoTokenizer.from_pretrained(engine.tokenizer_folder(alone(name)))
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(speakers[name]).get_vocab()


@pytest.mark.parametrize("source", [None, "base", "ja", "union"])
@pytest.mark.parametrize("method", ["dare_ties", "slerp"])
def test_the_folder_is_the_resident(
    source: str | None, method: str, speakers: Family, tmp_path: Path
) -> None:
    more: dict[str, Any] = {}
    if method == "slerp":
        more = {"models": [{"model": "ja"}], "parameters": {"t": 0.3}}
    one = recipe(source, method, **more)
    engine = MergeEngine({name: speakers[name] for name in ("fr", "ja", "base")})
    resident = engine.merge(one)
    write_checkpoint(one, speakers, tmp_path / "child")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "child")
    ids = list(range(len(tokenizer)))
    assert torch.equal(logits(loaded, ids), logits(resident, ids))
    assert loaded.config.vocab_size == resident.config.vocab_size
    scored = AutoTokenizer.from_pretrained(engine.tokenizer_folder(one))
    text = "one two is ichi un </s>"
    assert scored.encode(text) == tokenizer.encode(text)
    for key in ("bos_token_id", "eos_token_id"):
        assert getattr(resident.generation_config, key) == getattr(loaded.generation_config, key)


def test_a_union_has_a_word_for_everything(speakers: Family, tmp_path: Path) -> None:
    write_checkpoint(recipe("union"), speakers, tmp_path / "child")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "child")
    words = ["one", "two", "is", "ichi", "ni", "<ja>", "un"]
    assert tokenizer.convert_ids_to_tokens(list(range(2, 9))) == words
    merged = open_parent(tmp_path / "child").tensor(EMBEDDINGS)
    assert merged.shape == (9, 32)
    torch.testing.assert_close(merged[6], row(speakers["ja"], "ni"))
    ichi = (row(speakers["ja"], "ichi") + row(speakers["fr"], "ichi")) / 2
    ja, fr = row(speakers["ja"], "ichi") - ichi, row(speakers["fr"], "ichi") - ichi
    torch.testing.assert_close(merged[5], ichi + 0.5 * ja + 0.25 * fr)


def test_special_tokens_are_those_of_the_tokens(speakers: Family, tmp_path: Path) -> None:
    """The end of a text has another number in a model that says so."""
    other = write_speaker(tmp_path / "other", 4, WORDS["ja"], tied=False)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"eos_token_id": 3}))
    (other / "generation_config.json").unlink()
    tied = inspect_checkpoint(speakers["base"]).tied_embeddings
    if tied:
        other = write_speaker(tmp_path / "tied", 4, WORDS["ja"])
        (other / "config.json").write_text(
            json.dumps(config | {"eos_token_id": 3, "tie_word_embeddings": True})
        )
        (other / "generation_config.json").unlink()
    folders = {**speakers, "ja": other}
    engine = MergeEngine(folders)
    assert engine.merge(recipe("ja")).generation_config.eos_token_id == 3
    assert engine.merge(recipe()).generation_config.eos_token_id == 1
    write_checkpoint(recipe("ja"), folders, tmp_path / "child")
    assert json.loads((tmp_path / "child" / "config.json").read_text())["eos_token_id"] == 3


def state(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters()}


@pytest.mark.parametrize("method", ["ties", "breadcrumbs"])
def test_a_child_does_not_depend_on_the_vocabularies_before(method: str, speakers: Family) -> None:
    used = MergeEngine(speakers)
    for source in (None, "union", "ja", None, "fr", "base"):
        one = recipe(source, method)
        fresh = state(MergeEngine(speakers).merge(one))
        again = state(used.merge(one))
        assert all(torch.equal(fresh[name], again[name]) for name in fresh)


def test_statistics_in_a_folder_go_by_the_vocabulary(tmp_path: Path) -> None:
    """Tables large enough to be ranked in a file, of one size but in another order."""
    words = [f"w{number}" for number in range(2100)]
    folders = {
        "base": write_speaker(tmp_path / "base", 5, words),
        "ja": write_speaker(tmp_path / "ja", 6, words[::-1]),
    }
    models = [{"model": "ja", "parameters": {"density": 0.2}}]
    for source in ("base", "ja"):
        one = recipe(source, "ties", models=models)
        kept = state(MergeEngine(folders, statistics=tmp_path / "statistics").merge(one))
        fresh = state(MergeEngine(folders).merge(one))
        assert all(torch.equal(kept[name], fresh[name]) for name in fresh)
    assert len(list((tmp_path / "statistics").iterdir())) == 2


def test_the_global_generator_is_left_alone(speakers: Family) -> None:
    engine = MergeEngine(speakers)
    before = torch.get_rng_state()
    engine.merge(recipe("union"))
    engine.merge(recipe())
    assert torch.equal(torch.get_rng_state(), before)


def test_tied_rows_stay_tied_and_untied_do_not(speakers: Family) -> None:
    tied = inspect_checkpoint(speakers["base"]).tied_embeddings
    model: Any = MergeEngine(speakers).merge(recipe("union"))
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    assert not any(one.requires_grad for one in model.parameters())


def test_one_tokenizer_is_one_folder(tied: Family) -> None:
    engine = MergeEngine(tied)
    folders = {engine.tokenizer_folder(alone(name)) for name in tied}
    assert folders == {tied["base"]}


def test_a_data_driven_method_wants_one_vocabulary(speakers: Family) -> None:
    fisher = {
        "merge_method": "fisher",
        "models": [{"model": "ja"}, {"model": "fr"}],
        "calibration": {"task": "word_problems_ja"},
    }
    with pytest.raises(RecipeError, match="needs models of one vocabulary"):
        MergeEngine(speakers).merge(Recipe.parse(fisher))


def path(*models: str, **more: Any) -> Recipe:
    slices = [{"sources": [{"model": name, "layer_range": [0, 2]}]} for name in models]
    return Recipe.parse({"merge_method": "passthrough", "slices": slices} | more)


def test_a_path_has_the_tokens_of_its_first_model(speakers: Family) -> None:
    infos = {name: inspect_checkpoint(folder) for name, folder in speakers.items()}
    engine = MergeEngine(speakers)
    assert engine.tokenizer_folder(path("ja", "fr", "ja")) == speakers["ja"]
    check_recipe(path("ja", "fr", "ja"), infos)
    with pytest.raises(RecipeError, match="a path has the tokens of its first model"):
        check_recipe(path("ja", "fr", "ja", tokenizer_source="union"), infos)


def test_a_path_whose_ends_have_different_tokens_in_as_many_rows(tmp_path: Path) -> None:
    words = ["a", "b", "c"]
    infos = {
        name: inspect_checkpoint(write_speaker(tmp_path / name, 1, spoken, tied=False))
        for name, spoken in (("there", words), ("back", words[::-1]))
    }
    check_recipe(path("there", "back", "there"), infos)
    with pytest.raises(RecipeError, match="'back', which gives the head, has other tokens"):
        check_recipe(path("there", "back"), infos)


def test_infinity_in_a_table_is_traced_to_its_model(speakers: Family, tmp_path: Path) -> None:
    """Past models that take no part in the recipe."""
    spoiled = Path(shutil.copytree(speakers["fr"], tmp_path / "fr"))
    weights = load_file(spoiled / "model.safetensors")
    weights[EMBEDDINGS][2, 0] = torch.inf
    save_file(weights, spoiled / "model.safetensors", metadata={"format": "pt"})
    engine = MergeEngine({**speakers, "fr": spoiled})
    models = [{"model": "fr", "parameters": {"weight": 0.5}}]
    with pytest.raises(NonFiniteError, match=r"embed_tokens.*that of model 'fr'"):
        engine.merge(recipe(models=models))
