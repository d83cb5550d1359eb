"""Chats: whose template, which tokens, and where an answer ends; with real tiny models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.batches import prepare
from evaluators.chat import Chat, chosen, read_chat, template_digest
from evaluators.errors import NoChatTemplate
from evaluators.generation import generate
from evaluators.scoring import PreparedTask
from evaluators.task import GenerationSettings, Item
from search.baselines import parent_recipe
from tests.tiny import CHAT_TEMPLATE, CHAT_WORDS, WORDS, write_llama
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate

Tokenizers: Any = AutoTokenizer
Models: Any = AutoModelForCausalLM
TURN = len(WORDS) + CHAT_WORDS.index("<turn>")
ITEM = Item("one", "1 + 2", "3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_llama(tmp_path / "chat", 1, chat=CHAT_TEMPLATE)


def test_a_prompt_is_a_users_turn(folder: Path) -> None:
    chat = read_chat(folder)
    assert chat.prompt("1 + 2") == "<user>1 + 2<model>"
    tokens = chat.prompt_tokens("1 + 2", Tokenizers.from_pretrained(folder))
    words = [*WORDS, *CHAT_WORDS]
    assert [words[token] for token in tokens] == ["<user>", "1", "+", "2", "<model>"]


def test_the_beginning_of_text_is_written_once(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "bos", 1, chat="{{ bos_token }}" + CHAT_TEMPLATE)
    tokenizer = Tokenizers.from_pretrained(folder)
    tokenizer.bos_token = "one"
    tokenizer.save_pretrained(folder)
    tokens = read_chat(folder).prompt_tokens("2", Tokenizers.from_pretrained(folder))
    assert tokens.count(WORDS.index("one")) == 1
    assert tokens[0] == WORDS.index("one")


def test_a_turn_ends_by_template_tokenizer_and_generation_config(folder: Path) -> None:
    path = folder / "generation_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"eos_token_id": [1, WORDS.index("?")]}))
    chat = read_chat(folder)
    assert chat.ends == ("</s>", "<turn>", "?")
    assert chat.end_tokens(Tokenizers.from_pretrained(folder)) == {1, TURN, WORDS.index("?")}
    path.unlink()
    assert read_chat(folder).ends == ("</s>", "<turn>")


def test_a_childs_tokenizer_gets_the_same_texts(folder: Path, tmp_path: Path) -> None:
    plain = Tokenizers.from_pretrained(write_llama(tmp_path / "plain", 2))
    chat = read_chat(folder)
    assert chat.end_tokens(plain) == {1}
    # What it has no tokens for is unknown to it, and the words stay.
    assert [WORDS[token] for token in chat.prompt_tokens("1", plain)].count("1") == 1


def test_an_answer_ends_with_its_turn(folder: Path) -> None:
    tokenizer, chat = Tokenizers.from_pretrained(folder), read_chat(folder)
    settings = GenerationSettings(12)
    prompt = chat.prompt_tokens(ITEM.prompt, tokenizer)
    model = Models.from_pretrained(folder)
    with torch.inference_mode():
        first = int(model(torch.tensor([prompt])).logits[0, -1].argmax())
    assert first not in (1, TURN)
    # What the model writes first becomes its end of turn: two rows of its head change places.
    head = model.lm_head.weight.detach().clone()
    head[[first, TURN]] = head[[TURN, first]]
    model.lm_head.weight = torch.nn.Parameter(head)
    (ended,) = generate(model, prepare([ITEM], tokenizer, settings, chat=chat))
    assert (ended.tokens, ended.truncated, ended.text) == (1, False, "")
    without = Chat(chat.tokenizer, ())
    (endless,) = generate(model, prepare([ITEM], tokenizer, settings, chat=without))
    assert endless.tokens > 1


def test_true_is_the_template_that_the_models_share(tmp_path: Path) -> None:
    folders = {
        "plain": write_llama(tmp_path / "plain", 1),
        "a": write_llama(tmp_path / "a", 2, chat=CHAT_TEMPLATE),
        "b": write_llama(tmp_path / "b", 3, chat=CHAT_TEMPLATE),
    }
    assert chosen(True, folders) == "a"
    assert chosen("b", folders) == "b"
    assert template_digest(folders["a"]) == template_digest(folders["b"])
    assert template_digest(folders["plain"]) is None
    with pytest.raises(NoChatTemplate, match="model 'plain' cannot be asked"):
        chosen("plain", folders)
    with pytest.raises(NoChatTemplate, match="none of the models"):
        chosen(True, {"plain": folders["plain"]})
    folders["c"] = write_llama(tmp_path / "c", 4, chat=CHAT_TEMPLATE + " ")
    digests = {name: template_digest(folders[name]) for name in "abc"}
    with pytest.raises(NoChatTemplate, match="differ") as error:
        chosen(True, folders)
    for name, digest in digests.items():
        assert f"{name} has {str(digest)[:12]}" in str(error.value)


@pytest.mark.parametrize("template", ["{% for", "{{ raise_exception('no') }}", "{{ 1 + 'a' }}"])
def test_a_template_that_cannot_be_filled_in_is_refused(tmp_path: Path, template: str) -> None:
    folder = write_llama(tmp_path / "broken", 1, chat=template)
    with pytest.raises(NoChatTemplate, match="cannot be filled in"):
        chosen(True, {"broken": folder})


def test_an_unreadable_tokenizer_is_refused(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(NoChatTemplate, match="cannot be read"):
        chosen("one", {"one": folder})


def test_the_evaluator_asks_in_the_chat(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "chat", 5, chat=CHAT_TEMPLATE)
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    lines = [{"prompt": f"{n} + {n}", "answer": 2 * n, "split": "search"} for n in range(10)]
    (tasks / "sums.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tasks / "sums.toml").write_text("max_new_tokens = 12")
    name = "jsonl:sums"
    tokens = []
    for chat in ({}, {name: folder}):
        context = Context({"m": folder}, {}, {name: "exact_match"}, tasks, None, "cpu", chat=chat)
        evaluator = Evaluator(context)
        recipe = parent_recipe("m").model_dump_json(exclude_none=True)
        scores = evaluator.evaluate(Evaluate("1", context, recipe, "search", 60.0), "here").scores
        prepared = evaluator._prepare(name, "search", folder)
        assert isinstance(prepared, PreparedTask)
        tokens.append({prompt for batch in prepared._batches.batches for prompt in batch.prompts})
        assert len(scores[name].values) == 10
    user, model = len(WORDS), len(WORDS) + 1
    assert {(user, *plain, model) for plain in tokens[0]} == tokens[1]
