"""The lm-eval bridge on GSM8K: scores equal lm-eval's own, item by item."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from evaluators.answering.voting import Sampled, elected, score_samples
from evaluators.errors import TaskDataError, UnsupportedTask
from evaluators.likelihood_scoring import PreparedLikelihoods
from evaluators.lm_eval_choices import LmEvalChoices
from evaluators.task import SPLITS, Completion
from evaluators.tasks import load_any_task, load_task
from tests.evaluators.shared_data import shared_data

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ITEMS = 8
# Of the first hundred items the 135M model solves few; one of those is among these.
LINES = {"train": slice(0, 40), "test": slice(32, 32 + ITEMS)}
YAML = """\
include: {shipped}
task: gsm8k_local
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files: {{train: {train}, test: {test}}}
  cache_dir: {cache}
num_fewshot: 2
fewshot_config:
  sampler: default
generation_kwargs:
  until: ["Question:", "</s>", "<|im_end|>"]
  do_sample: false
  temperature: 0.0
  max_gen_toks: 96
"""


@pytest.fixture(scope="module")
def tasks_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's folder with GSM8K on local files: a few items and few-shot examples."""
    folder = tmp_path_factory.mktemp("tasks")
    data = tmp_path_factory.mktemp("data")
    for name, part in LINES.items():
        lines = shared_data("gsm8k", f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        (data / f"{name}.jsonl").write_text("\n".join(lines[part]), encoding="utf-8")
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    (folder / "gsm8k.yaml").write_text(
        YAML.format(
            shipped=Path(spec.origin).parent / "tasks" / "gsm8k" / "gsm8k.yaml",
            train=data / "train.jsonl",
            test=data / "test.jsonl",
            cache=data / "cache",
        )
    )
    return folder


CHOICES = """\
task: pick
dataset_path: json
dataset_kwargs:
  data_files: {{validation: {data}/validation.jsonl, test: {data}/test.jsonl}}
  cache_dir: {data}/cache
test_split: test
fewshot_split: validation
num_fewshot: 3
fewshot_config:
  sampler: first_n
output_type: multiple_choice
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
QUESTIONS = [
    ("What is 2 + 3?", ["five apples", "5", "6"], 1),
    ("What is 10 - 4?", ["6", "7", "four"], 0),
    ("Which of these is a prime number?", ["4", "9", "13 is one"], 2),
    ("What is half of 8?", ["4", "16", "eight and a half"], 0),
    ("What is 7 times 6?", ["13", "42", "fifty-two"], 1),
    ("How many sides has a triangle?", ["three", "four", "two or three"], 0),
    ("How many days has a week?", ["six", "seven", "twelve"], 1),
    ("What is 1 + 1?", ["11", "two", "one"], 1),
]


def test_choices_score_as_in_lm_eval(smollm2: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = smollm2
    lines = [
        json.dumps({"question": question, "choices": choices, "answer": answer})
        for question, choices, answer in QUESTIONS
    ]
    data = tmp_path / "data"
    data.mkdir()
    (data / "validation.jsonl").write_text("\n".join(lines[:3]))
    (data / "test.jsonl").write_text("\n".join(lines))
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "pick.yaml").write_text(CHOICES.format(data=data))
    results = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4, device="cpu"),
        tasks=["pick"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    means = []
    for metric in ("acc", "acc_norm"):
        task = load_any_task("lm_eval:pick", folder, metric=metric)
        assert isinstance(task, LmEvalChoices)
        ready = [PreparedLikelihoods(task, split, tokenizer) for split in SPLITS]
        assert any(part._pairs.prefix for part in ready)
        found = {
            item.id: score.value
            for part in ready
            for item, score in zip(part.items, part.item_scores(model), strict=True)
        }
        samples = results["samples"]["pick"]
        assert found == {f"pick-{sample['doc_id']:04d}": sample[metric] for sample in samples}
        means.append(sum(found.values()) / len(QUESTIONS))
        assert means[-1] == pytest.approx(results["results"]["pick"][f"{metric},none"])
    assert all(0 < mean < 1 for mean in means)


def test_loads_agree_and_splits_are_disjoint(tasks_dir: Path) -> None:
    first, second = (load_task("lm_eval:gsm8k_local", tasks_dir, seed=s) for s in (0, 1))
    ids = [item.id for split in SPLITS for item in first.items(split)]
    assert sorted(ids) == [f"gsm8k_local-{i:04d}" for i in range(ITEMS)]
    for split in SPLITS:
        assert first.items(split) == second.items(split)
    assert first.generation.max_new_tokens == 96
    assert first.generation.stop == ("Question:", "</s>", "<|im_end|>")
    prompt = first.items("search")[0].prompt
    assert prompt.count("Question:") == 3
    assert prompt.endswith("Answer:")


def test_the_metric_is_chosen_by_name(tasks_dir: Path) -> None:
    strict = load_task("lm_eval:gsm8k_local", tasks_dir)
    flexible = load_task("lm_eval:gsm8k_local", tasks_dir, metric="exact_match,flexible-extract")
    item = next(i for s in SPLITS for i in strict.items(s) if i.id == "gsm8k_local-0000")
    answer = item.reference.rpartition("#### ")[2]
    assert strict.score(item, Completion(f"So it is.\n#### {answer}", False, 5)).value == 1
    loose = Completion(f"It is {answer}", False, 5)
    assert strict.score(item, loose).no_answer
    assert flexible.score(item, loose).correct
    assert not flexible.score(item, Completion(f"It is 1{answer}", True, 5)).correct
    for task in (strict, flexible):
        empty = task.score(item, Completion("", False, 1))
        assert (empty.value, empty.no_answer) == (0, True)
    with pytest.raises(UnsupportedTask, match="no metric 'f1'"):
        load_task("lm_eval:gsm8k_local", tasks_dir, metric="f1")


def test_samples_vote_by_what_the_filter_leaves(tasks_dir: Path) -> None:
    strict = Sampled(load_task("lm_eval:gsm8k_local", tasks_dir), 4, 0.7)
    item = next(i for s in SPLITS for i in strict.items(s) if i.id == "gsm8k_local-0000")
    answer = item.reference.rpartition("#### ")[2]
    written = [f"It is {answer}", f"#### 1{answer}", f"So.\n#### {answer}", f"#### {answer}"]
    samples = [Completion(text, truncated=False, tokens=5) for text in written]
    assert elected(strict, item, samples) == answer
    assert score_samples(strict, item, samples).value == 1
    assert score_samples(strict, item, samples[:2]).value == 0


def test_documents_that_cannot_be_loaded(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    (tmp_path / "lost.yaml").write_text(
        "task: lost\ndataset_path: json\noutput_type: generate_until\n"
        f"dataset_kwargs: {{data_files: {{test: {missing}}}}}\ntest_split: test\n"
        "doc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n"
        "metric_list: [{metric: exact_match}]\n"
    )
    with pytest.raises(TaskDataError, match="lm_eval:lost: FileNotFoundError"):
        load_task("lm_eval:lost", tmp_path)
