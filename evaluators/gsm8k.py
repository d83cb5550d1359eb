"""GSM8K and its translation MGSM, read from the operator's tasks folder in their published formats.

- `gsm8k/test.jsonl` and `gsm8k/train.jsonl`: an object a line, `question` and `answer`, which ends
  in "#### 18" ("Training Verifiers to Solve Math Word Problems", arXiv 2110.14168).
  `gsm8k/test_<language>.jsonl` is the same, translated. Line 1 is item 0, unless an integer `id`
  says otherwise.
- `mgsm/mgsm_<language>.tsv`: question, tab, number a line, without a header ("Language Models are
  Multilingual Chain-of-Thought Reasoners", arXiv 2210.03057). Line 1 is the translation of item 0
  of GSM8K's test set, and so on for 250 lines.

Splits follow "Evolutionary Optimization of Model Merging Recipes" (arXiv 2403.13187): test items
from 250 on are for the search, and the first 250, which MGSM translates, are held out. The former
are search (two thirds) and select (one third) here, by a hash of the id.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from evaluators.answers import parse_number
from evaluators.errors import TaskDataError
from evaluators.files import read_json_lines, read_lines
from evaluators.jsonl import JsonlSettings, JsonlTask
from evaluators.splits import partition, split_of
from evaluators.task import SPLITS, Item, Split

SHOTS = (5, 8)
HELD_OUT = 250
# The published search took 1024; English solutions are shorter than half of that.
MAX_NEW_TOKENS = 512
MAX_NEW_TOKENS_TRANSLATED = 1024


@dataclass(frozen=True)
class Prompting:
    """How a question is put in a language. `stop` begins the next question."""

    template: str
    stop: tuple[str, ...]


PROMPTS: Mapping[str, Prompting] = {
    language: Prompting(f"{ask}{{question}}\n{how}\n{answer}", (f"\n{ask.strip()}",))
    for language, (ask, how, answer) in {
        "bn": ("প্রশ্ন: ", "ধাপে ধাপে বাংলায় উত্তর দিন।", "উত্তর:"),
        "de": ("Frage: ", "Antworte Schritt für Schritt auf Deutsch.", "Antwort:"),
        "en": ("Question: ", "Answer step by step in English.", "Answer:"),
        "es": ("Pregunta: ", "Responde paso a paso en español.", "Respuesta:"),
        "fr": ("Question : ", "Réponds étape par étape en français.", "Réponse :"),
        "ja": ("問題：", "日本語で順を追って考え、最後に答えを書いてください。", "解答："),
        "ru": ("Вопрос: ", "Отвечай шаг за шагом на русском языке.", "Ответ:"),
        "sw": ("Swali: ", "Jibu hatua kwa hatua kwa Kiswahili.", "Jibu:"),
        "te": ("ప్రశ్న: ", "తెలుగులో దశలవారీగా సమాధానం ఇవ్వండి.", "సమాధానం:"),
        "th": ("คำถาม: ", "ตอบทีละขั้นตอนเป็นภาษาไทย", "คำตอบ:"),
        "zh": ("问题：", "请用中文逐步解答。", "答案："),
    }.items()
}
PLAIN = Prompting("Question: {question}\nAnswer:", ("\nQuestion:",))


@dataclass(frozen=True)
class Problem:
    """An item of GSM8K: its place in the file, and the worked solution with its equations."""

    number: int
    question: str
    solution: str
    reference: Fraction

    @property
    def id(self) -> str:
        return f"gsm8k-test-{self.number:04d}"


def read_problems(path: Path) -> tuple[Problem, ...]:
    """A file of GSM8K. Raises TaskDataError, naming file and line."""
    return _problems(path, *_version(path))


def read_translations(path: Path) -> tuple[tuple[str, Fraction], ...]:
    """Questions and answers of a file of MGSM. Raises TaskDataError, naming file and line."""
    return _translations(path, *_version(path))


def read_gsm8k(tasks_dir: Path, *, shots: int = 0) -> JsonlTask:
    """GSM8K in English, after the first `shots` worked examples of the training set.

    Raises TaskDataError.
    """
    examples = "".join(
        f"{PLAIN.template.format(question=problem.question)} {worked(problem.solution)}\n\n"
        for problem in _examples(tasks_dir, shots)
    )
    problems = read_problems(tasks_dir / "gsm8k" / "test.jsonl")
    items = {problem.number: _solved(problem, examples) for problem in problems}
    parts = gsm8k_parts(items)
    if not parts["search"]:
        raise TaskDataError(
            f"{tasks_dir / 'gsm8k' / 'test.jsonl'}: {len(problems)} items, and the search starts "
            f"at item {HELD_OUT}"
        )
    name = f"gsm8k_{shots}shot" if shots else "gsm8k"
    return JsonlTask(name, settings(PLAIN, None), parts)


def read_mgsm(tasks_dir: Path, language: str) -> JsonlTask:
    """MGSM in one language, its 250 items cut in three. A problem is in the same split in every
    language. Raises TaskDataError."""
    prompting = PROMPTS[language]
    items = mgsm_items(tasks_dir, language)
    split_by_number = {
        int(number.removeprefix("mgsm-")): split
        for split, numbers in partition(f"mgsm-{number:03d}" for number in items).items()
        for number in numbers
    }
    parts = {
        split: tuple(item for n, item in items.items() if split_by_number[n] == split)
        for split in SPLITS
    }
    return JsonlTask(f"mgsm_{language}", settings(prompting, language), parts)


def read_gsm8k_mgsm(tasks_dir: Path, language: str) -> JsonlTask:
    """Search and select on GSM8K from item 250, holdout on all of MGSM; answers in the language.

    Questions of GSM8K are in the language where `gsm8k/test_<language>.jsonl` is there, else in
    English. Raises TaskDataError.
    """
    prompting = PROMPTS[language]
    translated = tasks_dir / "gsm8k" / f"test_{language}.jsonl"
    source = translated if translated.is_file() else tasks_dir / "gsm8k" / "test.jsonl"
    items = {
        p.number: _item(f"gsm8k-{source.stem}-{p.number:04d}", p.question, p.reference, prompting)
        for p in read_problems(source)
    }
    parts = {**gsm8k_parts(items), "holdout": tuple(mgsm_items(tasks_dir, language).values())}
    if not parts["search"]:
        raise TaskDataError(f"{source}: no item from {HELD_OUT} on, where the search starts")
    return JsonlTask(f"gsm8k_mgsm_{language}", settings(prompting, language), parts)


def gsm8k_parts(items: Mapping[int, Item]) -> dict[Split, tuple[Item, ...]]:
    """Items by their number in GSM8K's test set, cut as the module says.

    Where so few are there that none is for the search, it gets those of select.
    """
    by_number = {number: part_of(number) for number in items}
    if "search" not in by_number.values():
        by_number = {n: "search" if s == "select" else s for n, s in by_number.items()}
    return {
        split: tuple(item for number, item in items.items() if by_number[number] == split)
        for split in SPLITS
    }


def part_of(number: int) -> Split:
    """The split of a number of GSM8K's test set, in every language and variant."""
    return "holdout" if number < HELD_OUT else split_of(f"gsm8k-test-{number:04d}", _SHARES)


def settings(prompting: Prompting, language: str | None) -> JsonlSettings:
    """Generation and language gate; None stands for English without a gate."""
    return JsonlSettings(
        max_new_tokens=MAX_NEW_TOKENS if language is None else MAX_NEW_TOKENS_TRANSLATED,
        stop=prompting.stop,
        language=language,
        template=prompting.template,
    )


def mgsm_items(tasks_dir: Path, language: str) -> dict[int, Item]:
    """Every item of MGSM in a language, by number. Raises TaskDataError."""
    rows = read_translations(tasks_dir / "mgsm" / f"mgsm_{language}.tsv")
    return {
        number: _item(f"mgsm-{language}-{number:03d}", question, answer, PROMPTS[language])
        for number, (question, answer) in enumerate(rows)
    }


def worked(solution: str) -> str:
    """A solution as a person would write it, without the calculator's annotations."""
    return re.sub(r"<<[^<>]*>>", "", solution)


_SHARES: tuple[tuple[int, Split], ...] = ((67, "search"), (100, "select"))


def _examples(tasks_dir: Path, shots: int) -> tuple[Problem, ...]:
    if not shots:
        return ()
    path = tasks_dir / "gsm8k" / "train.jsonl"
    examples = read_problems(path)[:shots]
    if len(examples) < shots:
        raise TaskDataError(f"{path}: {len(examples)} items are too few for {shots} examples")
    return examples


def _item(
    item_id: str, question: str, answer: Fraction, prompting: Prompting, before: str = ""
) -> Item:
    prompt = before + prompting.template.replace("{question}", question)
    return Item(item_id, prompt, str(answer), question)


def _solved(problem: Problem, before: str) -> Item:
    item = _item(problem.id, problem.question, problem.reference, PLAIN, before)
    return replace(item, solution=f" {worked(problem.solution)}")


def _version(path: Path) -> tuple[int, int]:
    """What changes with a file's content. Raises TaskDataError where there is no file."""
    try:
        status = path.stat()
    except OSError as error:
        raise TaskDataError(f"{path}: {error}") from error
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=16)
def _problems(path: Path, _changed: int, _size: int) -> tuple[Problem, ...]:
    seen: set[int] = set()

    def read(entry: dict[str, Any]) -> Problem:
        problem = _problem(entry, len(seen))
        if problem.number in seen:
            raise ValueError(f"a second item {problem.number}")
        seen.add(problem.number)
        return problem

    return tuple(read_json_lines(path, read))


def _problem(entry: Mapping[str, Any], place: int) -> Problem:
    question, solution, number = entry.get("question"), entry.get("answer"), entry.get("id", place)
    if not isinstance(question, str) or not question.strip():
        raise ValueError("the question is no text")
    if not isinstance(solution, str):
        raise ValueError("the answer is no text")
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"the id {number!r} is no item's number")
    reference = parse_number(solution)
    if reference is None:
        raise ValueError(f"the answer holds no number: {solution!r}")
    return Problem(number, question, solution, reference)


@functools.lru_cache(maxsize=16)
def _translations(path: Path, _changed: int, _size: int) -> tuple[tuple[str, Fraction], ...]:
    return tuple(read_lines(path, _translation))


def _translation(line: str) -> tuple[str, Fraction]:
    question, tab, answer = line.rstrip("\r").partition("\t")
    if not tab or "\t" in answer or not question.strip():
        raise ValueError("needs a question, one tab and a number")
    number = parse_number(answer)
    if number is None:
        raise ValueError(f"the answer holds no number: {answer!r}")
    return question, number
