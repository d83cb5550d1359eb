"""Answers that a model computes by a program, which the sandbox runs.

Program-aided language models (PAL, arXiv 2211.10435): the value of `solution()` is the answer.
Code-based self-verification (arXiv 2308.07921): `verify(answer)` says whether it believes it.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache

from evaluators.answering.program_prompts import FENCE, program_prompt
from evaluators.answering.program_text import defines, find_program
from evaluators.math_problems import MathProblems
from evaluators.sandbox import Outcome, Sandbox
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split, Task

MAX_NEW_TOKENS = 512


@dataclass(frozen=True)
class ProgramAided:
    """A `Task`: another one's questions, answered by programs. Every item needs its question.

    Without `chat` the prompt opens a block of code, and a completion goes on with it; in a chat the
    answer's own block is taken. `shots` is the number of worked examples, `verified` asks for a
    check beside the answer. No language is demanded of a program.
    """

    task: Task
    chat: bool = False
    shots: int = 8
    max_new_tokens: int = MAX_NEW_TOKENS
    verified: bool = False

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def generation(self) -> GenerationSettings:
        return GenerationSettings(self.max_new_tokens, () if self.chat else (f"\n{FENCE}",))

    def items(self, split: Split) -> Sequence[Item]:
        return tuple(
            replace(
                item,
                prompt=program_prompt(
                    item.question, shots=self.shots, verified=self.verified, opened=not self.chat
                ),
            )
            for item in self.task.items(split)
        )

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """The task's score of the program's value, as if the model had written that; or no answer,
        and how the program failed.

        Raises SandboxMissing.
        """
        written, failure = self._written(completion)
        if written is None:
            return ItemScore(
                value=0.0,
                correct=False,
                language_ok=True,
                truncated=completion.truncated,
                no_answer=True,
                failures=(failure,),
            )
        score = self.task.score(item, written)
        if score.language_ok:
            return score
        return replace(score, value=float(score.correct), language_ok=True)

    def answer(self, item: Item, completion: Completion) -> str | None:
        """What the program's value answers. Raises SandboxMissing."""
        written, _ = self._written(completion)
        return None if written is None else self.task.answer(item, written)

    def verdict(self, completion: Completion) -> bool | None:
        """What the program's check says of its answer; None where it does not say, or fails.

        Raises SandboxMissing.
        """
        code = find_program(completion.text, opened=not self.chat).code
        if not (defines("solution", code) and defines("verify", code)):
            return None
        return _VERDICTS.get(run(code, "verify(solution())").value or "")

    def _written(self, completion: Completion) -> tuple[Completion | None, str]:
        """The program's value as if the model had written that; or None, and the failure's name."""
        program = find_program(completion.text, opened=not self.chat)
        if program.missing is not None:
            return None, program.missing
        outcome = run(program.code)
        if outcome.value is None:
            return None, outcome.failure or ""
        value = _rounded(outcome.value)
        # Outside a box only numbers are read whole.
        text = f"\\boxed{{{value}}}" if isinstance(self.task, MathProblems) else value
        return replace(completion, text=text), ""


@dataclass(frozen=True)
class SelfVerified:
    """A `Task` answered by programs, each of which says how much its own answer counts.

    `weights` are those of the verdicts True, Uncertain and False. A program that was found wrong is
    not written again: in its place the vote has other samples.
    """

    programs: ProgramAided
    weights: tuple[float, float, float]

    @property
    def name(self) -> str:
        return self.programs.name

    @property
    def generation(self) -> GenerationSettings:
        return self.programs.generation

    def items(self, split: Split) -> Sequence[Item]:
        return self.programs.items(split)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        return self.programs.score(item, completion)

    def answer(self, item: Item, completion: Completion) -> str | None:
        return self.programs.answer(item, completion)

    def weight(self, _item: Item, completion: Completion) -> float:
        """The weight of the verdict that the completion's program comes to."""
        believed, uncertain, doubted = self.weights
        verdict = self.programs.verdict(completion)
        return uncertain if verdict is None else believed if verdict else doubted


@lru_cache(maxsize=4096)
def run(code: str, expression: str | None = None) -> Outcome:
    """What a program comes to (see sandbox.py), in this process's one sandbox.

    Remembered, for it follows from the text, and candidates often write the same programs. For one
    thread. Raises SandboxMissing.
    """
    return _sandbox().run(code, expression)


_VERDICTS = {"True": True, "False": False}
_FLOAT = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")
_DIGITS = 12


@cache
def _sandbox() -> Sandbox:
    sandbox = Sandbox()
    atexit.register(sandbox.close)
    return sandbox


def _rounded(value: str) -> str:
    """A float, told by its spelling, in 12 significant digits and without an exponent: 0.1 + 0.2
    is 0.3, and 18.0 is 18. Any other value as it is."""
    if not _FLOAT.fullmatch(value) or repr(float(value)) != value:
        return value
    return format(Decimal(f"{float(value):.{_DIGITS}g}"), "f")
