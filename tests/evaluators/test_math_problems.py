"""Problems with LaTeX for answers: what is read, what equals what, and limits on any thread."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluators.errors import TaskDataError, VerifierFailed
from evaluators.math_problems import DEFAULTS, last_boxed, read_math_problems
from evaluators.math_verifier import MathVerifier, Verdict
from evaluators.task import SPLITS, Completion, Task

# Compiled code that no signal interrupts.
ENDLESS = "The answer is $\\boxed{10^{10^{10}}+1}$"


def write(folder: Path, *entries: object, toml: str = "") -> Path:
    path = folder / "algebra.jsonl"
    lines = (one if isinstance(one, str) else json.dumps(one) for one in entries)
    path.write_text("\n".join(lines), encoding="utf-8")
    if toml:
        path.with_suffix(".toml").write_text(toml, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    verifier = MathVerifier()
    yield verifier
    verifier.close()


@pytest.mark.parametrize(
    ("solution", "boxed"),
    [
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("\\boxed{1} then \\boxed{x^{2}}", "x^{2}"),
        ("it is $\\fbox{3}$", "3"),
        ("it is $\\boxed 2$ then", "2"),
        ("none", None),
        ("\\boxed{", None),
        ("\\boxed{}", None),
        ("\\boxed", None),
    ],
)
def test_boxed_answers(solution: str, boxed: str | None) -> None:
    assert last_boxed(solution) == boxed


def test_published_fields(tmp_path: Path) -> None:
    """MATH has solutions alone, MATH-500 answers and unique ids too."""
    path = write(
        tmp_path,
        {
            "problem": "Halve 1.",
            "level": "Level 1",
            "type": "Algebra",
            "solution": "It is $\\boxed{\\frac12}$.",
            "split": "search",
        },
        {
            "problem": "Double $x$.",
            "solution": "See \\boxed{3x}.",
            "answer": "2x",
            "unique_id": "test/algebra/7.json",
            "split": "holdout",
        },
        {"problem": "Five?", "answer": 5, "id": 3, "split": "select"},
    )
    task: Task = read_math_problems(path)
    items = [item for split in SPLITS for item in task.items(split)]
    assert [item.reference for item in items] == ["\\frac12", "5", "2x"]
    assert [item.id for item in items][1:] == ["3", "test/algebra/7.json"]
    assert items[0].question == "Halve 1."
    assert items[0].prompt == DEFAULTS.template.replace("{question}", "Halve 1.")
    assert task.name == "math:algebra"
    assert task.generation.max_new_tokens == 1024


def test_settings_and_one_item(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"problem": "Eins?", "answer": "1"},
        toml='language = "de"\nmax_new_tokens = 9\ntemplate = "{question}"',
    )
    task = read_math_problems(path)
    assert [len(task.items(split)) for split in SPLITS] == [1, 0, 0]
    (item,) = task.items("search")
    assert (item.prompt, task.generation.max_new_tokens) == ("Eins?", 9)
    assert task.generation.stop == DEFAULTS.stop
    german = task.score(item, Completion("Die Antwort ist dann also $\\boxed{1}$.", True, 4))
    assert (german.value, german.language_ok, german.truncated) == (1, True, True)
    english = task.score(item, Completion("The answer is then $\\boxed{1}$.", False, 4))
    assert (english.value, english.correct, english.language_ok) == (0, True, False)
    with pytest.raises(TaskDataError, match=r"algebra\.toml: .* extractor"):
        read_math_problems(
            write(tmp_path, {"problem": "a", "answer": "1"}, toml='extractor = "hendrycks_math"')
        )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ('{"problem": "a"}', "needs an answer or a solution"),
        ('{"problem": "a", "solution": "b"}', "no \\boxed{} answer"),
        ('{"problem": "a", "answer": " "}', "the answer is empty"),
        ('{"problem": "a", "answer": []}', "neither a text nor a number"),
        ('{"problem": "", "answer": "1"}', "the problem is no text"),
        ('{"problem": "a", "answer": "1", "id": "q"}', "a second item 'q'"),
        ('{"problem": "a", "answer": "1", "split": "test"}', "split 'test'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path, {"problem": "b", "answer": "1", "id": "q"}, "", line)
    with pytest.raises(TaskDataError) as error:
        read_math_problems(path)
    assert str(error.value).startswith(f"{path}:3: ")
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("reference", "text", "correct"),
    [
        ("\\frac{1}{2}", "It is $\\boxed{0.5}$.", True),
        ("\\frac12", "So the answer is $\\frac{2}{4}$.", True),
        ("2x", "$\\boxed{x+x}$", True),
        ("x^2-1", "$\\boxed{(x-1)(x+1)}$", True),
        ("2\\sqrt{3}", "$\\boxed{\\sqrt{12}}$", True),
        ("(1,2)", "$\\boxed{(1, 2)}$", True),
        ("(1,2)", "$\\boxed{(2, 1)}$", False),
        ("1{,}234", "\\boxed{1234}", True),
        ("3", "first \\boxed{2}, no: $\\boxed{3}$", True),
        ("4", "$\\boxed{5}$", False),
    ],
)
def test_equality(verifier: MathVerifier, reference: str, text: str, correct: bool) -> None:
    verdict = verifier.judge(reference, text)
    assert verdict.correct == correct
    assert verdict.answer is not None


def test_equal_numbers_share_a_spelling(verifier: MathVerifier) -> None:
    texts = ["$\\boxed{0.5}$", "$\\boxed{\\frac{1}{2}}$", "$\\boxed{\\frac{2}{4}}$", "so 1/2"]
    assert {verifier.judge("7", text).answer for text in texts} == {"1/2"}
    assert verifier.judge("7", "who knows") == Verdict(None, False)


def test_any_thread_may_ask(verifier: MathVerifier) -> None:
    """math-verify's own limits work on a main thread only; a worker's calls come from others."""
    questions = [(str(n), f"$\\boxed{{{n + n % 2}}}$") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda asked: verifier.judge(*asked), questions))
    assert [verdict.correct for verdict in verdicts] == [n % 2 == 0 for n in range(12)]


def test_what_takes_for_ever_is_wrong_and_the_next_is_judged() -> None:
    verifier = MathVerifier(answer_seconds=2)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(verifier.judge, "1", ENDLESS).result() == Verdict(None, False)
            assert pool.submit(verifier.judge, "1", "$\\boxed{1}$").result() == Verdict("1", True)
    finally:
        verifier.close()


def test_a_process_that_died_is_replaced(verifier: MathVerifier) -> None:
    assert verifier.judge("1", "$1$").correct
    process = verifier._process
    assert process is not None
    process.kill()
    process.wait()
    assert verifier.judge("1", "$1$") == Verdict(None, False)
    assert verifier.judge("1", "$1$").correct


def test_no_process_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(VerifierFailed, match="did not start"):
        MathVerifier().judge("1", "1")
