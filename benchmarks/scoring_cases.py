"""What the scoring benchmark asks: a model, and a task made of lm-eval's own or of the zoo's."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parents import parents
from evaluators.lm_eval_bridge import LmEvalTask, load_lm_eval_task
from evaluators.word_problems import WordProblems

_NAME = "scoring"
_GSM8K = """\
include: {shipped}
task: {name}
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files: {{train: {folder}/train.jsonl, test: {folder}/test.jsonl}}
  cache_dir: {folder}/cache
num_fewshot: 5
fewshot_config:
  sampler: first_n
"""
_MGSM_JA = """\
include: {shipped}
task: {name}
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files: {{test: {folder}/test.jsonl}}
  cache_dir: {folder}/cache
training_split: null
"""
_WORD_PROBLEMS = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder}/test.jsonl}}
  cache_dir: {folder}/cache
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{reference}}}}"
target_delimiter: ""
generation_kwargs:
  until: {stop}
  do_sample: false
  max_gen_toks: {tokens}
filter_list:
  - name: last-number
    filter:
      - function: regex
        regex_pattern: "(-?[0-9]+)"
        group_select: -1
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


@dataclass(frozen=True)
class Case:
    """`model` finds a model's folder, given the project's; `write` puts a task of so many items
    into a folder, as a YAML file of lm-eval beside its data."""

    model: Callable[[Path], Path]
    write: Callable[[Path, int], str]


def make_task(case: Case, folder: Path, count: int) -> LmEvalTask:
    """The case's task, as lm-eval has it."""
    (folder / f"{_NAME}.yaml").write_text(case.write(folder, count), encoding="utf-8")
    task = load_lm_eval_task(_NAME, folder)
    assert isinstance(task, LmEvalTask)
    return task


def _gsm8k(folder: Path, count: int) -> str:
    for name, lines in (("train", 5), ("test", count)):
        text = _published("gsm8k", f"{name}.jsonl")[:lines]
        (folder / f"{name}.jsonl").write_text("\n".join(text), encoding="utf-8")
    return _GSM8K.format(shipped=_shipped("gsm8k/gsm8k.yaml"), name=_NAME, folder=folder)


def _mgsm_ja(folder: Path, count: int) -> str:
    rows = [line.rsplit("\t", 1) for line in _published("mgsm", "mgsm_ja.tsv")[:count]]
    lines = [
        json.dumps({"question": question, "answer": None, "answer_number": answer})
        for question, answer in rows
    ]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    shipped = _shipped("mgsm/native_cot/mgsm_native_cot_ja.yaml")
    return _MGSM_JA.format(shipped=shipped, name=_NAME, folder=folder)


def _published(*parts: str) -> list[str]:
    """The lines of a published file under CUVEE_SHARED_DATA."""
    path = Path(os.environ.get("CUVEE_SHARED_DATA", "")).joinpath(*parts)
    if not path.is_file():
        raise SystemExit(
            f"{'/'.join(parts)} is missing: set CUVEE_SHARED_DATA to a folder that has it"
        )
    return path.read_text(encoding="utf-8").splitlines()


def _shipped(task: str) -> Path:
    """The file of a task that lm-eval ships."""
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tasks" / task


def _word_problems(folder: Path, count: int) -> str:
    task = WordProblems("ja", 0)
    items = task.items("holdout")[:count]
    lines = [json.dumps({"prompt": item.prompt, "reference": item.reference}) for item in items]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = task.generation
    return _WORD_PROBLEMS.format(
        name=_NAME,
        folder=folder,
        stop=json.dumps(settings.stop, ensure_ascii=False),
        tokens=settings.max_new_tokens,
    )


def _large(root: Path) -> Path:
    return parents(root / ".bench/parents")["base"]


CASES = {
    "word_problems_zoo": Case(lambda root: root / "zoo" / "ja", _word_problems),
    "gsm8k_5_shot_135m": Case(_large, _gsm8k),
    "mgsm_ja_135m": Case(_large, _mgsm_ja),
}
