"""The demo's task as lm-eval has it: the same items, prompts, stop strings and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.task import Completion, Item
from evaluators.word_problems import WordProblems

TASK = WordProblems("ja")
NAME = f"{TASK.name}_search"
_YAML = """\
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
process_results: !function scoring.process_results
generation_kwargs:
  until: {stop}
  do_sample: false
  max_gen_toks: {tokens}
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


def write_task(folder: Path) -> None:
    """Put the search split into a folder, as a task file of lm-eval beside its data."""
    items = TASK.items("search")
    lines = [json.dumps({"prompt": item.prompt, "reference": item.reference}) for item in items]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    # lm-eval looks for functions in files beside the task's.
    scoring = f"from {__name__} import process_results\n"
    (folder / "scoring.py").write_text(scoring, encoding="utf-8")
    settings = TASK.generation
    text = _YAML.format(
        name=NAME,
        folder=folder,
        stop=json.dumps(settings.stop),
        tokens=settings.max_new_tokens,
    )
    (folder / f"{NAME}.yaml").write_text(text, encoding="utf-8")


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The score of one answer; `doc` is a line of `test.jsonl`."""
    item = Item(id="", prompt=doc["prompt"], reference=doc["reference"])
    answer = Completion(results[0], truncated=False, tokens=0)
    return {"exact_match": TASK.score(item, answer).value}
