"""Item by item, the completions and scores of lm-eval itself, on its own tasks with local data."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from evaluators.lm_eval_bridge import LmEvalTask, load_lm_eval_task
from evaluators.scoring import PreparedTask
from evaluators.task import SPLITS
from tests.evaluators.shared_data import shared_data

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
OVERRIDE = """\
include: {shipped}
task: {name}_local
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files: {{train: {data}/train.jsonl, test: {data}/test.jsonl}}
  cache_dir: {data}/cache
num_fewshot: {shots}
fewshot_config: {{sampler: {sampler}}}
generation_kwargs:
  until: {stop}
  do_sample: false
  temperature: 0.0
  max_gen_toks: {tokens}
"""
Row = dict[str, object]


@dataclass(frozen=True)
class Parity:
    """A shipped task with other data: `rows` are the examples, then so many items for the test."""

    shipped: str
    rows: Callable[[int], tuple[Sequence[Row], Sequence[Row]]]
    shots: int
    stop: tuple[str, ...]
    tokens: int
    metrics: tuple[str, ...]
    sampler: str = "first_n"

    @property
    def name(self) -> str:
        return Path(self.shipped).stem


def gsm8k(count: int) -> tuple[Sequence[Row], Sequence[Row]]:
    train, test = (
        [json.loads(line) for line in shared_data("gsm8k", name).read_text("utf-8").splitlines()]
        for name in ("train.jsonl", "test.jsonl")
    )
    # Of the first hundred items the 135M model solves few; one of those comes early here.
    return train[:40], [*test[32:], *test[:32]][:count]


JAPANESE_EXAMPLES = [
    ("りんごが3個、みかんが4個あります。全部で何個ですか？", "3+4=7。答えは7です。"),
    ("1本80円のペンを5本買いました。いくらですか？", "80×5=400。答えは400です。"),
]


def mgsm_ja(count: int) -> tuple[Sequence[Row], Sequence[Row]]:
    lines = shared_data("mgsm", "mgsm_ja.tsv").read_text("utf-8").splitlines()
    items = [line.rsplit("\t", 1) for line in lines]
    train: list[Row] = [
        {
            "question": f"問題：{question}",
            "answer": f"ステップごとの答え: {answer}",
            "answer_number": 0,
        }
        for question, answer in JAPANESE_EXAMPLES
    ]
    test: list[Row] = [
        {"question": question, "answer": None, "answer_number": int(answer.replace(",", ""))}
        for question, answer in items
    ]
    # Published items are beyond the 135M model; it solves one that it has just read.
    question, _ = JAPANESE_EXAMPLES[1]
    known: Row = {"question": question, "answer": None, "answer_number": 400}
    return train, [*test[: count - 1], known]


# Problem and answer; the first three are the examples.
MATH = [
    ("What is $2+2$?", "4"),
    ("Simplify $\\frac{4}{8}$.", "\\frac{1}{2}"),
    ("If $x+3=10$, what is $x$?", "7"),
    ("What is $3+4$?", "7"),
    ("Simplify $\\frac{2}{6}$.", "\\frac{1}{3}"),
    ("If $2x=10$, what is $x$?", "5"),
    ("What is $10^2$?", "100"),
    ("Factor $x^2-1$.", "(x-1)(x+1)"),
    ("How many degrees are in a right angle?", "90^\\circ"),
    ("What is $\\sqrt{50}$ in simplest form?", "5\\sqrt{2}"),
    ("What is $5-5$?", "0"),
    ("If $y=9$, what is $y$?", "9"),
    ("What is $1^2$?", "1"),
]


def math(count: int) -> tuple[Sequence[Row], Sequence[Row]]:
    rows: list[Row] = [
        {"problem": problem, "solution": f"It is $\\boxed{{{answer}}}$."}
        for problem, answer in MATH
    ]
    return rows[:3], rows[3 : 3 + count]


PARITIES = {
    "gsm8k": Parity(
        "gsm8k/gsm8k.yaml",
        gsm8k,
        shots=2,
        stop=("Question:", "</s>", "<|im_end|>"),
        tokens=96,
        metrics=("exact_match,strict-match", "exact_match,flexible-extract"),
        sampler="default",
    ),
    "mgsm_native_cot_ja": Parity(
        "mgsm/native_cot/mgsm_native_cot_ja.yaml",
        mgsm_ja,
        shots=2,
        stop=("問題：", "</s>", "<|im_end|>"),
        tokens=32,
        metrics=("exact_match,strict-match", "exact_match,flexible-extract"),
    ),
    "math": Parity(
        "hendrycks_math/hendrycks_math_algebra.yaml",
        math,
        shots=3,
        stop=("Problem:",),
        tokens=24,
        metrics=("exact_match,none",),
    ),
}


def written(parity: Parity, folder: Path, count: int) -> int:
    """The task's YAML file in `folder` beside its data; how many items it has."""
    data = folder / "data"
    data.mkdir()
    examples, items = parity.rows(count)
    for name, rows in (("train", examples), ("test", items)):
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (data / f"{name}.jsonl").write_text(text, encoding="utf-8")
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    text = OVERRIDE.format(
        shipped=Path(spec.origin).parent / "tasks" / parity.shipped,
        name=parity.name,
        data=data,
        shots=parity.shots,
        sampler=parity.sampler,
        stop=json.dumps(parity.stop, ensure_ascii=False),
        tokens=parity.tokens,
    )
    (folder / "local.yaml").write_text(text, encoding="utf-8")
    return len(items)


def check(parity: Parity, folder: Path, smollm2: tuple[Any, Any], count: int) -> set[float]:
    """Every metric of every item as lm-eval reports it; returns the scores that occur."""
    model, tokenizer = smollm2
    items = written(parity, folder, count)
    task_name = f"{parity.name}_local"
    results = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, device="cpu"),
        tasks=[task_name],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    seen = set()
    completions = None
    for metric in parity.metrics:
        name, _, filter_ = metric.partition(",")
        task = load_lm_eval_task(task_name, folder, metric=metric)
        assert isinstance(task, LmEvalTask)
        if completions is None:
            parts = [PreparedTask(task, split, tokenizer) for split in SPLITS]
            completions = [
                pair
                for part in parts
                for pair in zip(part.items, part.completions(model), strict=True)
            ]
        found = {item.id: (task.score(item, c).value, c.text) for item, c in completions}
        reported = {
            f"{task_name}-{sample['doc_id']:04d}": (sample[name], sample["resps"][0][0])
            for sample in results["samples"][task_name]
            if sample["filter"] == filter_
        }
        assert found == reported
        assert len(found) == items
        mean = sum(value for value, _ in found.values()) / items
        assert mean == pytest.approx(results["results"][task_name][metric])
        seen |= {value for value, _ in found.values()}
    return seen


@pytest.mark.parametrize(("name", "count"), [("gsm8k", 8), ("mgsm_native_cot_ja", 3), ("math", 9)])
def test_scores_equal_lm_eval(
    name: str, count: int, tmp_path: Path, smollm2: tuple[Any, Any]
) -> None:
    assert check(PARITIES[name], tmp_path, smollm2, count) == {0.0, 1.0}


@pytest.mark.long
@pytest.mark.parametrize("name", ["gsm8k", "mgsm_native_cot_ja"])
def test_scores_of_many_items_equal_lm_eval(
    name: str, tmp_path: Path, smollm2: tuple[Any, Any]
) -> None:
    assert check(PARITIES[name], tmp_path, smollm2, 64) == {0.0, 1.0}
