"""Tasks of the operator's own: a JSONL file of questions with numbers for answers.

`<stem>.jsonl` holds one object a line: `prompt` (given to the model as it is) or `question` (put
into the template), `answer` or `reference` (a number, or a text that ends in one, such as GSM8K's
"#### 18"), and optionally `id` and `split` (search, select or holdout). An item without an id is
known by a hash of its prompt; one without a split goes where its id sends it (see splits.py).

`<stem>.toml` beside it, optional, holds `max_new_tokens`, `stop`, `language` (ja or en: an answer
in another language scores 0), `template` (with the field {question}), `summary` and `licence`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from evaluators.answers import parse_number, same_number
from evaluators.errors import TaskDataError
from evaluators.language import looks_english, looks_japanese
from evaluators.splits import partition
from evaluators.task import SPLITS, Completion, GenerationSettings, Item, ItemScore, Split

_TEMPLATES: dict[str | None, str] = {
    "ja": "問題：{question}\n解答：",
    "en": "Question: {question}\nAnswer:",
    None: "Question: {question}\nAnswer:",
}


@dataclass(frozen=True)
class JsonlSettings:
    """What the TOML file beside the items says."""

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    language: Literal["ja", "en"] | None = None
    template: str = _TEMPLATES[None]
    summary: str = ""
    licence: str = ""


@dataclass(frozen=True)
class JsonlTask:
    """A `Task` whose items were read from a file."""

    name: str
    settings: JsonlSettings
    parts: Mapping[Split, tuple[Item, ...]]

    @property
    def generation(self) -> GenerationSettings:
        return GenerationSettings(self.settings.max_new_tokens, self.settings.stop)

    def items(self, split: Split) -> Sequence[Item]:
        return self.parts[split]

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """One point for the right number, told in the task's language where it has one."""
        answer = parse_number(completion.text)
        correct = answer is not None and same_number(answer, Fraction(item.reference))
        language_ok = _in_language(completion.text, self.settings.language)
        return ItemScore(
            value=float(correct and language_ok),
            correct=correct,
            language_ok=language_ok,
            truncated=completion.truncated,
            no_answer=answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """The final number, as an exact fraction."""
        number = parse_number(completion.text)
        return None if number is None else str(number)


def read_jsonl_task(path: Path) -> JsonlTask:
    """The task in a JSONL file.

    Raises TaskDataError, naming file and line.
    """
    settings = read_jsonl_settings(path)
    items: dict[str, Item] = {}
    fixed: dict[str, Split] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item, split = _item(json.loads(line), settings)
            if item.id in items:
                raise ValueError(f"a second item {item.id!r}")
        except ValueError as error:
            raise TaskDataError(f"{path}:{number}: {_reason(error)}") from error
        items[item.id] = item
        if split is not None:
            fixed[item.id] = split
    if not items:
        raise TaskDataError(f"{path}: no items")
    parts = _parts(items, fixed)
    if not parts["search"]:
        raise TaskDataError(f"{path}: no item is left for the search split")
    return JsonlTask(f"jsonl:{path.stem}", settings, parts)


def read_jsonl_settings(path: Path) -> JsonlSettings:
    """The settings beside a JSONL file; the defaults where there are none.

    Raises TaskDataError, naming the file and the key.
    """
    toml = path.with_suffix(".toml")
    if not toml.is_file():
        return JsonlSettings()
    try:
        values = tomllib.loads(_text(toml))
    except tomllib.TOMLDecodeError as error:
        raise TaskDataError(f"{toml}: {error}") from error
    for key, value in values.items():
        accept = _ACCEPTED.get(key)
        if accept is None:
            raise TaskDataError(f"{toml}: unknown setting {key!r}; known: {', '.join(_ACCEPTED)}")
        if not accept(value):
            raise TaskDataError(f"{toml}: {key} cannot be {value!r}")
    values["stop"] = tuple(values.get("stop", ()))
    values.setdefault("template", _TEMPLATES[values.get("language")])
    return JsonlSettings(**values)


_ACCEPTED = {
    "max_new_tokens": lambda value: type(value) is int and 0 < value <= 1 << 16,
    "stop": lambda value: isinstance(value, list) and all(isinstance(s, str) and s for s in value),
    "language": lambda value: value in ("ja", "en"),
    "template": lambda value: isinstance(value, str) and "{question}" in value,
    "summary": lambda value: isinstance(value, str),
    "licence": lambda value: isinstance(value, str),
}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskDataError(f"{path}: {error}") from error


def _item(entry: object, settings: JsonlSettings) -> tuple[Item, Split | None]:
    """An item and its split where the entry fixes one. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    prompt = _one_of(entry, "prompt", "question")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is no text")
    question = ""
    if "prompt" not in entry:
        question, prompt = prompt, settings.template.replace("{question}", prompt)
    item_id = entry.get("id", hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest())
    if isinstance(item_id, bool) or not isinstance(item_id, (str, int)) or item_id == "":
        raise ValueError("the id is neither a text nor a whole number")
    split = entry.get("split")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    reference = _number(_one_of(entry, "answer", "reference"))
    return Item(str(item_id), prompt, reference, question), split


def _one_of(entry: Mapping[str, object], *fields: str) -> object:
    present = [field for field in fields if entry.get(field) is not None]
    if len(present) != 1:
        raise ValueError(f"needs exactly one of {' and '.join(fields)}")
    return entry[present[0]]


def _number(answer: object) -> str:
    """The reference as an exact number, written as a fraction."""
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float)):
        raise ValueError("the answer is neither a number nor a text")
    number = parse_number(answer) if isinstance(answer, str) else Fraction(str(answer))
    if number is None:
        raise ValueError(f"the answer holds no number: {answer!r}")
    return str(number)


def _parts(items: Mapping[str, Item], fixed: Mapping[str, Split]) -> dict[Split, tuple[Item, ...]]:
    free = [item_id for item_id in items if item_id not in fixed]
    split_by_id = dict(fixed)
    for split, ids in partition(free, fill_search="search" not in fixed.values()).items():
        split_by_id.update(dict.fromkeys(ids, split))
    return {
        split: tuple(item for item in items.values() if split_by_id[item.id] == split)
        for split in SPLITS
    }


def _in_language(text: str, language: str | None) -> bool:
    if language is None:
        return True
    return looks_japanese(text) if language == "ja" else looks_english(text)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return str(error)
