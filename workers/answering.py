"""The ways of answering that a spec names, as tasks that carry them out."""

from __future__ import annotations

from evaluators.answering.chain_of_thought import ChainOfThought
from evaluators.answering.checks import check_sandbox
from evaluators.answering.programs import ProgramAided, SelfVerified
from evaluators.answering.voting import Sampled
from evaluators.task import Task
from search.spec import (
    Answer,
    ChainOfThoughtAnswer,
    DirectAnswer,
    ProgramAnswer,
    SelfVerificationAnswer,
)


def answered(task: Task, answer: Answer, *, chat: bool, seed: int) -> Task:
    """The task, answered as the spec says; `chat` says that its prompts are turns of a chat, and
    `seed` draws samples.

    Raises SandboxMissing where programs are to answer, and cannot run.
    """
    if isinstance(answer, DirectAnswer):
        return task
    if isinstance(answer, ChainOfThoughtAnswer):
        return ChainOfThought(task, answer.max_new_tokens)
    if isinstance(answer, ProgramAnswer):
        check_sandbox()
        return ProgramAided(task, chat, answer.shots, answer.max_new_tokens)
    if isinstance(answer, SelfVerificationAnswer):
        check_sandbox()
        programs = ProgramAided(task, chat, answer.shots, answer.max_new_tokens, verified=True)
        single: Task = SelfVerified(programs, answer.weights)
    else:
        single = answered(task, answer.of, chat=chat, seed=seed)
    return Sampled(single, answer.samples, answer.temperature, answer.top_p, seed)


def compared(task: Task, answer: Answer, *, chat: bool) -> Task | None:
    """The task answered the other way, where the spec asks how often both agree.

    Raises SandboxMissing.
    """
    if isinstance(answer, ChainOfThoughtAnswer) and answer.agreement:
        check_sandbox()
        return ProgramAided(task, chat)
    if isinstance(answer, ProgramAnswer) and answer.agreement:
        return ChainOfThought(task)
    return None
