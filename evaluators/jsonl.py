"""Tasks of the operator's own: a JSONL file of questions with numbers for answers.

`<stem>.jsonl` holds one object a line: `prompt` (given to the model as it is) or `question` (put
into the template), `answer` or `reference` (a number, or a text that ends in one, such as GSM8K's
"#### 18"), and optionally `id` and `split` (search, select or holdout). An item without an id is
known by a hash of its prompt; one without a split goes where its id sends it (see splits.py).
SVAMP's fields are read too: `Body` and `Question` make the question, `Answer` and `ID` the rest.

`<stem>.toml` beside it, optional, holds `max_new_tokens`, `stop`, `language` (one of MGSM's eleven,
such as ja or en: an answer in another language scores 0), `extractor` (how the answer is found and
compared, `cuvee` unless a published rule is wanted, see extractors.py), `template` (with the field
{question}), `summary` and `licence`. References of rules for LaTeX are texts, kept as they are.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from evaluators.answers import parse_number
from evaluators.errors import TaskDataError
from evaluators.extractors import EXTRACTORS, canonical, extract, plain, same
from evaluators.files import read_json_lines, read_text
from evaluators.language import LANGUAGES, in_language
from evaluators.splits import partition
from evaluators.task import SPLITS, Completion, GenerationSettings, Item, ItemScore, Split

_TEMPLATES: dict[str | None, str] = {
    "ja": "問題：{question}\n解答：",
    None: "Question: {question}\nAnswer:",
}


# After these nothing is put before an answer.
_OPEN = (" ", "\n", "\t", "：", "。", "、")


@dataclass(frozen=True)
class JsonlSettings:
    """What the TOML file beside the items says."""

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    language: str | None = None
    extractor: str = "cuvee"
    template: str = _TEMPLATES[None]
    summary: str = ""
    licence: str = ""


_DEFAULTS = JsonlSettings()


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
        answer = extract(self.settings.extractor, completion.text)
        correct = answer is not None and same(self.settings.extractor, answer, item.reference)
        language = self.settings.language
        language_ok = language is None or in_language(completion.text, language)
        return ItemScore(
            value=float(correct and language_ok),
            correct=correct,
            language_ok=language_ok,
            truncated=completion.truncated,
            no_answer=answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """What the extractor finds, in the spelling that it compares; numbers as fractions."""
        answer = extract(self.settings.extractor, completion.text)
        return None if answer is None else canonical(self.settings.extractor, answer)


def read_jsonl_task(path: Path) -> JsonlTask:
    """The task in a JSONL file.

    Raises TaskDataError, naming file and line.
    """
    settings = read_jsonl_settings(path)
    parts = read_parts(path, lambda entry: _item(entry, settings))
    return JsonlTask(f"jsonl:{path.stem}", settings, parts)


def read_parts(
    path: Path, read: Callable[[dict[str, Any]], tuple[Item, Split | None]]
) -> dict[Split, tuple[Item, ...]]:
    """The items that `read` makes of each line's object, by split, in their order.

    Raises TaskDataError, naming file and line, for what `read` refuses by a ValueError and for a
    second item of an id; and where no item is for the search.
    """
    items: dict[str, Item] = {}
    fixed: dict[str, Split] = {}

    def add(entry: dict[str, Any]) -> None:
        item, split = read(entry)
        if item.id in items:
            raise ValueError(f"a second item {item.id!r}")
        items[item.id] = item
        if split is not None:
            fixed[item.id] = split

    read_json_lines(path, add)
    parts = _parts(items, fixed)
    if not parts["search"]:
        raise TaskDataError(f"{path}: no item is left for the search split")
    return parts


def item_of(
    entry: Mapping[str, Any], prompt: str, question: str, reference: str, solution: str
) -> tuple[Item, Split | None]:
    """An item with the entry's `id`, or a hash of the prompt, and its `split` where it has one.

    `solution` is put after the prompt as a person would write it there.

    Raises ValueError.
    """
    item_id = entry.get("id", hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest())
    if isinstance(item_id, bool) or not isinstance(item_id, (str, int)) or item_id == "":
        raise ValueError("the id is neither a text nor a whole number")
    split = entry.get("split")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    if solution and not prompt.endswith(_OPEN):
        solution = f" {solution}"
    return Item(str(item_id), prompt, reference, question, solution), split


def read_jsonl_settings(path: Path, defaults: JsonlSettings = _DEFAULTS) -> JsonlSettings:
    """The settings beside a JSONL file; the defaults for those that are not there.

    Raises TaskDataError, naming the file and the key.
    """
    toml = path.with_suffix(".toml")
    if not toml.is_file():
        return defaults
    try:
        values = tomllib.loads(read_text(toml))
    except tomllib.TOMLDecodeError as error:
        raise TaskDataError(f"{toml}: {error}") from error
    for key, value in values.items():
        accept = _ACCEPTED.get(key)
        if accept is None:
            raise TaskDataError(f"{toml}: unknown setting {key!r}; known: {', '.join(_ACCEPTED)}")
        if not accept(value):
            raise TaskDataError(f"{toml}: {key} cannot be {value!r}")
    if "stop" in values:
        values["stop"] = tuple(values["stop"])
    if defaults is _DEFAULTS and values.get("language") in _TEMPLATES:
        values.setdefault("template", _TEMPLATES[values.get("language")])
    return replace(defaults, **values)


_ACCEPTED = {
    "max_new_tokens": lambda value: type(value) is int and 0 < value <= 1 << 16,
    "stop": lambda value: isinstance(value, list) and all(isinstance(s, str) and s for s in value),
    "language": lambda value: value in LANGUAGES,
    "extractor": lambda value: isinstance(value, str) and value in EXTRACTORS,
    "template": lambda value: isinstance(value, str) and "{question}" in value,
    "summary": lambda value: isinstance(value, str),
    "licence": lambda value: isinstance(value, str),
}


def _item(entry: Mapping[str, Any], settings: JsonlSettings) -> tuple[Item, Split | None]:
    """An item and its split where the entry fixes one. Raises ValueError."""
    entry = _common_fields(entry)
    prompt = _one_of(entry, "prompt", "question")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is no text")
    question = ""
    if "prompt" not in entry:
        question, prompt = prompt, settings.template.replace("{question}", prompt)
    answer = _one_of(entry, "answer", "reference")
    reference = _reference(answer, settings.extractor)
    return item_of(entry, prompt, question, reference, str(answer).strip())


def _common_fields(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry in SVAMP's fields in ours; any other entry as it is. Raises ValueError."""
    if "Body" not in entry and "Question" not in entry:
        return entry
    body, asked = entry.get("Body"), entry.get("Question")
    if not isinstance(body, str) or not isinstance(asked, str) or not asked.strip():
        raise ValueError("needs both Body and Question")
    body = body.strip()
    if body and not body.endswith((".", "!", "?", ",", ";", ":")):
        body += "."
    renamed = {"Answer": "answer", "ID": "id"}
    others = {renamed.get(k, k): v for k, v in entry.items() if k not in {"Body", "Question"}}
    return {"question": f"{body} {asked.strip()}".strip(), **others}


def _one_of(entry: Mapping[str, object], *fields: str) -> object:
    present = [field for field in fields if entry.get(field) is not None]
    if len(present) != 1:
        raise ValueError(f"needs exactly one of {' and '.join(fields)}")
    return entry[present[0]]


def _reference(answer: object, extractor: str) -> str:
    """The reference as the extractor compares it; an exact fraction for our own."""
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float)):
        raise ValueError("the answer is neither a number nor a text")
    if not EXTRACTORS[extractor].numeric:
        if not str(answer).strip():
            raise ValueError("the answer is empty")
        return str(answer)
    number = parse_number(answer) if isinstance(answer, str) else Fraction(str(answer))
    if number is None:
        raise ValueError(f"the answer holds no number: {answer!r}")
    return str(number) if extractor == "cuvee" else plain(number)


def _parts(items: Mapping[str, Item], fixed: Mapping[str, Split]) -> dict[Split, tuple[Item, ...]]:
    free = [item_id for item_id in items if item_id not in fixed]
    split_by_id = dict(fixed)
    for split, ids in partition(free, fill_search="search" not in fixed.values()).items():
        split_by_id.update(dict.fromkeys(ids, split))
    return {
        split: tuple(item for item in items.values() if split_by_id[item.id] == split)
        for split in SPLITS
    }
