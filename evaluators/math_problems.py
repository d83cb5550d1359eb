"""Problems with LaTeX for answers, from JSONL files of the operator's: MATH and what is like it.

`<stem>.jsonl` holds one object a line: `problem`, and `answer` (LaTeX) or `solution` (a text whose
last \\boxed{} is the answer; with both, `answer` counts), as MATH ("Measuring Mathematical Problem
Solving With the MATH Dataset", arXiv 2103.03874) and MATH-500 are published. `id` or `unique_id`,
`split` and the TOML file beside it are as in jsonl.py. Answers are compared by math-verify.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import TaskDataError
from evaluators.jsonl import JsonlSettings, item_of, read_jsonl_settings, read_parts
from evaluators.language import in_language
from evaluators.math_verifier import math_verifier
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split

DEFAULTS = JsonlSettings(
    max_new_tokens=1024,
    stop=("\nProblem:",),
    template="Problem: {question}\nGive the final answer in \\boxed{}.\nSolution:",
)


@dataclass(frozen=True)
class MathProblems:
    """A `Task` whose answers are mathematical expressions."""

    name: str
    settings: JsonlSettings
    parts: Mapping[Split, tuple[Item, ...]]

    @property
    def generation(self) -> GenerationSettings:
        return GenerationSettings(self.settings.max_new_tokens, self.settings.stop)

    def items(self, split: Split) -> Sequence[Item]:
        return self.parts[split]

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """One point for an expression equal to the reference, in the task's language if it has one.

        Raises VerifierFailed.
        """
        verdict = math_verifier().judge(item.reference, completion.text)
        language = self.settings.language
        language_ok = language is None or in_language(completion.text, language)
        return ItemScore(
            value=float(verdict.correct and language_ok),
            correct=verdict.correct,
            language_ok=language_ok,
            truncated=completion.truncated,
            no_answer=verdict.answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """The expression found; numbers as exact fractions. Raises VerifierFailed."""
        return math_verifier().judge(item.reference, completion.text).answer


def read_math_problems(path: Path) -> MathProblems:
    """The task in a JSONL file. Raises TaskDataError, naming file and line."""
    settings = read_jsonl_settings(path, DEFAULTS)
    if settings.extractor != DEFAULTS.extractor:
        raise TaskDataError(f"{path.with_suffix('.toml')}: answers in LaTeX take no extractor")
    parts = read_parts(path, lambda entry: _item(entry, settings))
    return MathProblems(f"math:{path.stem}", settings, parts)


def holds_math_problems(path: Path) -> bool:
    """Whether a JSONL file's first object has a `problem`; False where it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = json.loads(next((line for line in file if line.strip()), "null"))
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and "problem" in first


def last_boxed(solution: str) -> str | None:
    """What the last \\boxed or \\fbox of a text holds, its braces matched; None without one."""
    start = max(solution.rfind("\\boxed"), solution.rfind("\\fbox"))
    if start < 0:
        return None
    rest = solution[start:].partition("box")[2].removeprefix("ed").lstrip()
    if not rest.startswith("{"):
        # MATH has a few of the form "\boxed 2".
        words = rest.partition("$")[0].split(maxsplit=1)
        return words[0] if words else None
    depth = 0
    for place, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return rest[1:place].strip() or None
    return None


def _item(entry: Mapping[str, Any], settings: JsonlSettings) -> tuple[Item, Split | None]:
    """An item and its split where the entry fixes one. Raises ValueError."""
    problem = entry.get("problem")
    if not isinstance(problem, str) or not problem.strip():
        raise ValueError("the problem is no text")
    if "id" not in entry and "unique_id" in entry:
        entry = {**entry, "id": entry["unique_id"]}
    prompt = settings.template.replace("{question}", problem)
    solution = entry.get("solution")
    worked = solution.strip() if isinstance(solution, str) else ""
    return item_of(entry, prompt, problem, _reference(entry), worked)


def _reference(entry: Mapping[str, Any]) -> str:
    answer, solution = entry.get("answer"), entry.get("solution")
    if answer is not None:
        if isinstance(answer, bool) or not isinstance(answer, (str, int, float)):
            raise ValueError("the answer is neither a text nor a number")
        if not str(answer).strip():
            raise ValueError("the answer is empty")
        return last_boxed(str(answer)) or str(answer).strip().strip("$")
    if not isinstance(solution, str):
        raise ValueError("needs an answer or a solution")
    boxed = last_boxed(solution)
    if boxed is None:
        raise ValueError("the solution has no \\boxed{} answer")
    return boxed
