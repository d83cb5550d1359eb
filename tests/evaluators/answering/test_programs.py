"""Answers by programs: prompts, values, failures, verdicts; and a model that writes them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from evaluators.answering.program_prompts import EXAMPLES, program_prompt
from evaluators.answering.programs import ProgramAided, SelfVerified, run
from evaluators.answering.voting import Sampled, elected, score_samples
from evaluators.numbers.pairs import PAIRS
from evaluators.numbers.task import NumberTask
from evaluators.sandbox import Sandbox
from evaluators.scoring import PreparedTask
from evaluators.task import Completion, ItemScore
from evaluators.tasks import load_task
from evaluators.word_problems import WordProblems
from tests.evaluators.answering.taught import taught
from tests.evaluators.byte_model import byte_tokenizer

TASK = WordProblems("ja")
ITEM = TASK.items("search")[0]
FAILED = ItemScore(0.0, correct=False, language_ok=True, truncated=False, no_answer=True)


def written(code: str) -> Completion:
    return Completion(code, truncated=False, tokens=5)


def solving(value: object) -> Completion:
    return written(f"def solution():\n    return {value}")


def test_examples_run_and_check_themselves() -> None:
    assert len(EXAMPLES) == 8
    for example in EXAMPLES:
        code = f"{example.solution}\n\n{example.verify}"
        value = run(code).value
        assert value is not None
        assert run(code, "verify(solution())").value == "True"
        # A check that believes anything would teach to believe anything.
        assert run(code, "verify(solution() + 1)").value == "False"


def test_prompts_grow_by_examples_and_end_where_the_model_goes_on() -> None:
    for shots in range(9):
        prompt = program_prompt("How many?", shots=shots, verified=False, opened=True)
        assert prompt.count("def solution():") == shots
        assert "verify" not in prompt
        assert prompt.endswith("Question: How many?\n```python\n")
    chat = program_prompt("How many?", shots=2, verified=True, opened=False)
    assert chat.count("def verify(answer):") == 2
    assert chat.endswith("\n\nQuestion: How many?")


def test_items_keep_all_but_their_prompt() -> None:
    for own, item in zip(ProgramAided(TASK).items("select"), TASK.items("select"), strict=True):
        assert (own.id, own.reference, own.question) == (item.id, item.reference, item.question)
        assert item.question in own.prompt


def test_a_value_is_scored_as_if_the_model_had_written_it() -> None:
    task = ProgramAided(TASK)
    right = ITEM.reference
    # No language is demanded of a program, though the task demands Japanese.
    for value in (
        right,
        f"{right} * 1.0",
        f"{right} + 1e-15",
        f"'{right}'",
        f"0.1 + {right} - 0.1",
    ):
        score = task.score(ITEM, solving(value))
        assert (score.value, score.correct, score.failures) == (1.0, True, ()), value
        assert task.answer(ITEM, solving(value)) == right
    assert task.score(ITEM, solving(f"{right} + 1")).value == 0
    assert task.score(ITEM, written(f"def solution():\n    print({right})")).value == 1


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("答えは5です。", "no_program"),
        ("def solution():\n    return (", "syntax"),
        ("def solution():\n    return 1 / 0", "exception"),
        ("import sympy\n\ndef solution():\n    return sympy.Symbol('x')", "unsupported"),
        ("def solution():\n    return open('/etc/passwd').read()", "refused"),
        ("def solution():\n    return [0] * 10**10", "memory"),
        ("def solution():\n    return solution()", "recursion"),
        ("def solution():\n    return 10**5000", "output_too_long"),
        ("def solution():\n    pass", "no_value"),
        ("def solution():\n    while True:\n        pass", "timeout"),
    ],
)
def test_failures_are_named(code: str, failure: str) -> None:
    score = ProgramAided(TASK).score(ITEM, written(code))
    assert score.failures == (failure,)
    assert (score.value, score.no_answer) == (0.0, True)
    assert ProgramAided(TASK).answer(ITEM, written(code)) is None


def test_a_value_without_an_answer_is_no_failure_of_the_program() -> None:
    score = ProgramAided(TASK).score(ITEM, solving("'none'"))
    assert (score.no_answer, score.failures) == (True, ())


def test_a_chat_answers_in_a_block_of_its_own() -> None:
    task = ProgramAided(TASK, chat=True)
    code = f"def solution():\n    return {ITEM.reference}\n"
    assert task.generation.stop == ()
    assert task.score(ITEM, written(f"Here:\n```python\n{code}```\nDone.")).value == 1
    score = task.score(ITEM, written("```java\nclass A {}\n```"))
    assert score.failures == ("other_language",)


def test_numbers_may_be_written_as_their_task_asks() -> None:
    for name, value in [
        ("numbers_scientific_add", "'{}'"),
        ("numbers_fraction_add", "'{}'"),
        ("numbers_integer_add", "{}"),
    ]:
        task = NumberTask(PAIRS[name])
        item = task.items("search")[0]
        hint, asked = item.question.split("\n")
        assert hint.startswith("Answer ")
        assert asked in ProgramAided(task).items("search")[0].prompt
        completion = solving(value.format(item.reference))
        assert ProgramAided(task).score(item, completion).value == 1


@pytest.mark.parametrize(
    ("reference", "value"),
    [("\\frac{1}{2}", "1 / 2"), ("(1,2)", "(1, 2)"), ("x+1", "'x + 1'"), ("2\\sqrt{3}", "12**0.5")],
)
def test_latex_answers_may_be_numbers_tuples_and_texts(
    tmp_path: Path, reference: str, value: str
) -> None:
    line = json.dumps({"problem": "What?", "answer": reference})
    (tmp_path / "some.jsonl").write_text(line)
    task = ProgramAided(load_task("math:some", tmp_path))
    (item,) = task.items("search")
    assert task.score(item, solving(value)).value == 1
    assert task.score(item, solving("7")).value == 0


CHECKED = "def solution():\n    return {}\n\ndef verify(answer):\n    return {}\n"


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        ("True", True),
        ("answer > 100", False),
        ("None", None),
        ("'True!'", None),
        ("1 / 0", None),
        ("7", None),
    ],
)
def test_verdicts(check: str, verdict: bool | None) -> None:
    assert ProgramAided(TASK).verdict(written(CHECKED.format(7, check))) is verdict
    assert ProgramAided(TASK).verdict(solving(7)) is None
    assert ProgramAided(TASK).verdict(written("7")) is None


def test_a_believed_answer_outvotes_doubted_ones() -> None:
    right, wrong = ITEM.reference, str(int(ITEM.reference) + 1)
    samples = [
        *[written(CHECKED.format(wrong, "False"))] * 3,
        written(CHECKED.format(right, "True")),
        written("def solution():\n    return 1 / 0"),
    ]
    programs = ProgramAided(TASK, verified=True)
    voted = Sampled(SelfVerified(programs, (1.0, 0.5, 0.2)), len(samples), 0.7)
    assert elected(voted, ITEM, samples) == right
    score = score_samples(voted, ITEM, samples)
    assert (score.value, score.failures) == (1.0, ("exception",))
    # Alike, the doubted answers are the majority.
    assert elected(Sampled(programs, len(samples), 0.7), ITEM, samples) == wrong
    # One uncertain check is worth more than two doubted ones, and less than three.
    uncertain = [written(CHECKED.format(right, "None")), *samples[:2]]
    assert elected(voted, ITEM, uncertain) == right
    assert elected(voted, ITEM, [*uncertain, samples[0]]) == wrong


PROGRAMS = {
    "What is 3 + 4?": "def solution():\n    return 3 + 4",
    "What is 5 x 6?": "def solution():\n    return 5 * 6",
    "What is 9 / 0?": "def solution():\n    return 9 / 0",
}


def test_a_model_that_writes_programs_is_scored_by_what_they_come_to(tmp_path: Path) -> None:
    lines = [
        f'{{"question": "{question}", "answer": {answer}, "split": "search"}}'
        for question, answer in zip(PROGRAMS, (7, 30, 0), strict=True)
    ]
    (tmp_path / "sums.jsonl").write_text("\n".join(lines))
    task = ProgramAided(load_task("jsonl:sums", tmp_path), shots=0, max_new_tokens=60)
    tokenizer = byte_tokenizer()
    prompts = [item.prompt for item in task.items("search")]
    model = taught(tokenizer, prompts, [f"{code}\n```" for code in PROGRAMS.values()])
    scores = PreparedTask(task, "search", tokenizer).score(model)
    assert scores.values == [1.0, 1.0, 0.0]
    assert scores.failures == {"exception": 1}
    assert scores.truncated == 0


def test_a_program_costs_what_the_docs_say() -> None:
    text = (Path(__file__).parents[3] / "docs" / "programs.md").read_text(encoding="utf-8")
    told = re.search(r"^([\d.]+) ms a program", text, re.MULTILINE)
    assert told is not None
    with Sandbox() as sandbox:
        sandbox.run("1")
        taken = []
        for number in range(60):
            started = time.perf_counter()
            assert sandbox.run(f"def solution():\n    a = {number}\n    return a * 3").value
            taken.append(time.perf_counter() - started)
    # The quickest, for other work may share the core: the order of magnitude.
    assert 1000 * min(taken) < 10 * float(told[1])
