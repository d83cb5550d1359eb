"""Prompts as turns of a chat, in the template of the model that names it.

A template belongs to a tokenizer, and so do the tokens that end a turn; a merged child may have
another tokenizer than the parent whose template it is asked in. So prompts are rendered to text by
the parent's tokenizer and cut into tokens by the child's, and end tokens go over by their text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from evaluators.errors import NoChatTemplate


@dataclass(frozen=True)
class Chat:
    """How one model is talked to: its tokenizer, and the texts of the tokens that end a turn."""

    tokenizer: PreTrainedTokenizerBase
    ends: tuple[str, ...]

    def prompt(self, text: str) -> str:
        """A user's turn and the opening of the answer, with the special tokens of the template."""
        return _render(self.tokenizer, [{"role": "user", "content": text}], opened=True)

    def prompt_tokens(self, text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
        """The tokens of `prompt`, as they are: a template has its own beginning of text."""
        return tuple(tokenizer(self.prompt(text), add_special_tokens=False)["input_ids"])

    def end_tokens(self, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
        """The ids in a child's tokenizer of those end tokens that it has."""
        vocabulary: Mapping[str, int] = tokenizer.get_vocab()
        return frozenset(vocabulary[end] for end in self.ends if end in vocabulary)


def read_chat(folder: Path) -> Chat:
    """The chat of the model in `folder`. Its end tokens are those of its generation config, its
    tokenizer's, and the one that its template writes after an answer.

    Raises NoChatTemplate when there is no template, or one that cannot be filled in.
    """
    tokenizer = _tokenizer(folder)
    if _template(tokenizer) is None:
        raise NoChatTemplate("its tokenizer has no chat template")
    return Chat(tokenizer, tuple(sorted(_ends(tokenizer, folder))))


def chosen(chat: bool | str, folders: Mapping[str, Path]) -> str:
    """The model whose template a task's setting means, checked to be usable.

    `chat` is a model's name, or true for the template that all models with one share; `folders`
    are those of the models. Raises NoChatTemplate.
    """
    if isinstance(chat, str):
        try:
            read_chat(folders[chat])
        except NoChatTemplate as error:
            raise NoChatTemplate(f"model {chat!r} cannot be asked in a chat: {error}") from error
        return chat
    digests = {name: template_digest(folder) for name, folder in folders.items()}
    having = {name: digest for name, digest in digests.items() if digest is not None}
    if not having:
        raise NoChatTemplate("none of the models has a chat template")
    if len(set(having.values())) > 1:
        listed = ", ".join(f"{name} has {digest[:12]}" for name, digest in having.items())
        raise NoChatTemplate(f"the models' chat templates differ, so name one of them: {listed}")
    return chosen(next(iter(having)), folders)


def template_digest(folder: Path) -> str | None:
    """SHA-256 of the chat template of the model in `folder`; None where it has none."""
    try:
        template = _template(_tokenizer(folder))
    except NoChatTemplate:
        return None
    return None if template is None else hashlib.sha256(template.encode()).hexdigest()


_ANSWER = "0123456789"


def _tokenizer(folder: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise NoChatTemplate(f"its tokenizer cannot be read: {error}") from error


def _template(tokenizer: Any) -> str | None:
    try:
        template: str = tokenizer.get_chat_template()
    except ValueError:
        # No template, or several by name and none of them the default.
        return None
    return template


def _ends(tokenizer: Any, folder: Path) -> set[str]:
    ids = [tokenizer.eos_token_id, *_configured_ends(folder)]
    ends = set(tokenizer.convert_ids_to_tokens([number for number in ids if number is not None]))
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _ANSWER}]
    after = _render(tokenizer, turns, opened=False).rpartition(_ANSWER)[2]
    special = [
        token for token in (*tokenizer.all_special_tokens, *_added(tokenizer)) if token in after
    ]
    if special:
        # Of tokens at the same place the longest, such as <|end|>\n beside <|end|>.
        ends.add(min(special, key=lambda token: (after.index(token), -len(token))))
    return ends


def _added(tokenizer: Any) -> list[str]:
    return [str(token) for token in tokenizer.added_tokens_decoder.values()]


def _configured_ends(folder: Path) -> list[int]:
    path = folder / "generation_config.json"
    try:
        end = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError):
        return []
    return [end] if isinstance(end, int) else list(end or [])


def _render(tokenizer: Any, turns: list[dict[str, str]], *, opened: bool) -> str:
    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=opened
        )
    except (TemplateError, TypeError) as error:
        raise NoChatTemplate(f"its chat template cannot be filled in: {error}") from error
    return text
