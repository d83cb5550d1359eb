"""Answers that are reasoned out in words before they are given.

The prompt asks for steps, without examples ("Large Language Models are Zero-Shot Reasoners", arXiv
2205.11916), in the language that the task wants its answers in. The task reads and scores what is
written, as it does its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluators.extractors import MGSM_PHRASES
from evaluators.gsm8k import PROMPTS, Prompting
from evaluators.jsonl import JsonlTask
from evaluators.math_problems import MathProblems
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split, Task
from evaluators.word_problems import WordProblems

MAX_NEW_TOKENS = 512


@dataclass(frozen=True)
class ChainOfThought:
    """A `Task`: another one's questions, asked for step by step. Every item needs its question."""

    task: Task
    max_new_tokens: int = MAX_NEW_TOKENS

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def generation(self) -> GenerationSettings:
        """Up to the next question that the model asks itself."""
        return GenerationSettings(self.max_new_tokens, _prompting(self.task).stop)

    def items(self, split: Split) -> Sequence[Item]:
        template = _prompting(self.task).template
        return tuple(
            replace(item, prompt=template.replace("{question}", item.question))
            for item in self.task.items(split)
        )

    def score(self, item: Item, completion: Completion) -> ItemScore:
        return self.task.score(item, completion)

    def answer(self, item: Item, completion: Completion) -> str | None:
        return self.task.answer(item, completion)


def closing(task: Task) -> str:
    """The sentence that a chain of thought is expected to end with, `{}` for the answer."""
    language = _language(task)
    return _CLOSING if language in (None, "en") else MGSM_PHRASES[language]


_CLOSING = "The answer is {}."
_ENGLISH, _BOXED = (
    Prompting(f"Question: {{question}}\nThink step by step. {how}\nAnswer:", ("\nQuestion:",))
    for how in (
        f'End with the sentence "{_CLOSING.format("...")}"',
        "Give the final answer in \\boxed{}.",
    )
)


def _prompting(task: Task) -> Prompting:
    language = _language(task)
    if language not in (None, "en"):
        return PROMPTS[language]
    return _BOXED if isinstance(task, MathProblems) else _ENGLISH


def _language(task: Task) -> str | None:
    """The one that answers must be in; None where any will do."""
    if isinstance(task, WordProblems):
        return task.language
    return task.settings.language if isinstance(task, JsonlTask | MathProblems) else None
