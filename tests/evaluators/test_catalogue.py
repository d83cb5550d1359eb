"""The catalogue: names, checks, and what it must not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.catalogue import check_task, task_cards
from evaluators.errors import TaskDataError, UnknownTask, UnsupportedTask
from evaluators.numbers.pairs import PAIRS
from evaluators.tasks import load_task
from evaluators.word_problems import ITEM_COUNTS

GENERATED = [
    "word_problems_ja",
    "word_problems_en",
    "arithmetic",
    "arithmetic_grouped",
    *PAIRS,
]
GENERATE = "task: shout\noutput_type: generate_until\nmetric_list:\n  - metric: exact_match\n"


@pytest.fixture
def tasks_dir(tmp_path: Path) -> Path:
    (tmp_path / "sums.jsonl").write_text('{"prompt": "1+1=", "answer": 2}\n')
    (tmp_path / "algebra.jsonl").write_text('{"problem": "Solve.", "answer": "\\\\frac12"}\n')
    (tmp_path / "broken.jsonl").write_text("{\n")
    (tmp_path / "shout.yaml").write_text(GENERATE + "process_docs: !function evil.run\n")
    (tmp_path / "choice.yaml").write_text("task: pick\noutput_type: multiple_choice\n")
    (tmp_path / "roll.yaml").write_text("task: roll\noutput_type: loglikelihood_rolling\n")
    (tmp_path / "brier.yaml").write_text(
        "task: brier\noutput_type: multiple_choice\nmetric_list: [{metric: brier_score}]\n"
    )
    (tmp_path / "whole.yaml").write_text("include: shout.yaml\ntask: whisper\nrepeats: 2\n")
    (tmp_path / "loop.yaml").write_text("task: loop\ninclude: loop.yaml\n")
    return tmp_path


def test_cards(tasks_dir: Path) -> None:
    cards = task_cards(tasks_dir)
    assert list(cards) == [
        *GENERATED,
        "math:algebra",
        "jsonl:broken",
        "jsonl:sums",
        "lm_eval:pick",
        "lm_eval:loop",
        "lm_eval:shout",
    ]
    assert cards["word_problems_ja"].splits == ITEM_COUNTS
    assert cards["word_problems_ja"].languages == ("ja",)
    assert cards["jsonl:sums"].splits == {"search": 1, "select": 0, "holdout": 0}
    assert cards["math:algebra"].splits == {"search": 1, "select": 0, "holdout": 0}
    assert "broken.jsonl:1" in cards["jsonl:broken"].summary
    assert cards["lm_eval:shout"].metrics == ("exact_match,none",)
    assert "includes itself" in cards["lm_eval:loop"].summary
    assert list(task_cards(None)) == GENERATED
    assert task_cards(tasks_dir / "absent") == task_cards(None)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("word_problems_ja", "exact_match"),
        ("word_problems_en", None),
        ("numbers_integer_add", None),
        ("numbers_scientific_to_float", "dlength"),
        ("arithmetic_grouped", "exact_match"),
        ("jsonl:sums", "exact_match"),
        ("lm_eval:shout", "exact_match"),
        ("lm_eval:shout", "exact_match,none"),
        ("lm_eval:gsm8k", "exact_match,flexible-extract"),
        ("lm_eval:pick", "acc_norm"),
        ("lm_eval:hellaswag", None),
        ("word_problems_en", "target_bits_per_char"),
    ],
)
def test_what_can_be_searched_on(tasks_dir: Path, name: str, metric: str | None) -> None:
    check_task(name, metric, tasks_dir)


@pytest.mark.parametrize(
    ("name", "metric", "error", "text"),
    [
        ("word_problem_ja", None, UnknownTask, "Did you mean word_problems_ja?"),
        ("numbers_float_count", None, UnknownTask, "Did you mean numbers_float_"),
        ("numbers_integer_add", "bleu", UnsupportedTask, "exact_match, digit_match, dlength"),
        ("jsonl:sum", None, UnknownTask, "Did you mean jsonl:sums?"),
        ("lm_eval:gsm8kk", None, UnknownTask, "Did you mean lm_eval:gsm8k?"),
        ("zzz", None, UnknownTask, "There are: word_problems_ja, word_problems_en, "),
        ("word_problems_ja", "bleu", UnsupportedTask, "no metric 'bleu'; there are: exact_match"),
        ("lm_eval:gsm8k", "bleu", UnsupportedTask, "exact_match,strict-match"),
        ("lm_eval:roll", None, UnsupportedTask, "this one is loglikelihood_rolling"),
        ("lm_eval:brier", None, UnsupportedTask, "none of its metrics is a number in [0, 1]"),
        ("lm_eval:pick", "brier_score", UnsupportedTask, "there are: acc,none, acc_norm,none"),
        ("lm_eval:whisper", None, UnsupportedTask, "repeats"),
        ("lm_eval:loop", None, TaskDataError, "includes itself"),
        ("jsonl:broken", None, TaskDataError, "broken.jsonl:1"),
        ("math:broken", None, UnknownTask, "jsonl:broken"),
        ("jsonl:algebra", None, UnknownTask, "Did you mean math:algebra?"),
        ("math:../algebra", None, UnknownTask, "no task name"),
    ],
)
def test_what_is_refused(
    tasks_dir: Path, name: str, metric: str | None, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        check_task(name, metric, tasks_dir)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["jsonl:../sums", "jsonl:a/b", "jsonl:a\\b", "jsonl:/etc/passwd", "lm_eval:../shout.yaml",
     "jsonl:..", "jsonl:", "", "jsonl:sums\n", "other:sums", "jsonl:jsonl:sums", "jsonl:\0"],
)  # fmt: skip
def test_a_name_reaches_no_other_file(tasks_dir: Path, name: str) -> None:
    with pytest.raises(UnknownTask):
        check_task(name, None, tasks_dir)
    with pytest.raises(UnknownTask):
        load_task(name, tasks_dir)


def test_tasks_load_by_name(tasks_dir: Path) -> None:
    for name in (*GENERATED, "jsonl:sums", "math:algebra"):
        assert load_task(name, tasks_dir).name == name
    ids = [
        [item.id for item in load_task("word_problems_ja", seed=s).items("search")] for s in (0, 1)
    ]
    assert ids[0] != ids[1]
    with pytest.raises(UnknownTask):
        load_task("jsonl:sums", None)


def test_the_catalogue_is_plain_data() -> None:
    code = (
        "import sys, evaluators.catalogue as c; c.check_task('lm_eval:gsm8k', None, None);"
        "sys.exit(bool({'torch', 'transformers', 'lm_eval', 'sympy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
