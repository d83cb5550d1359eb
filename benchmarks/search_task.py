"""The demo's task as lm-eval has it: the same items, prompts, stop strings and scores.

Once by accuracy, and once by the likelihood of the worked solutions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR
from evaluators.target_likelihood import TargetLikelihood
from evaluators.task import Completion, Item, Likelihood
from evaluators.word_problems import WordProblems

TASK = WordProblems("ja")
NAMES = {
    EXACT_MATCH: f"{TASK.name}_search",
    TARGET_BITS_PER_CHAR: f"{TASK.name}_search_likelihood",
}
"""lm-eval's task of each metric."""
_DATA = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder}/test.jsonl}}
  cache_dir: {folder}/cache
test_split: test
doc_to_text: "{{{{prompt}}}}"
target_delimiter: ""
metric_list:
  - metric: {metric}
    aggregation: mean
    higher_is_better: true
"""
_GENERATED = """\
output_type: generate_until
doc_to_target: "{{{{reference}}}}"
process_results: !function scoring.generated_results
generation_kwargs:
  until: {stop}
  do_sample: false
  max_gen_toks: {tokens}
"""
_COMPARED = """\
output_type: loglikelihood
doc_to_target: "{{{{solution}}}}"
process_results: !function scoring.likelihood_results
"""


def write_tasks(folder: Path) -> None:
    """Put the search split into a folder, as task files of lm-eval beside their data."""
    docs = [
        {"prompt": item.prompt, "reference": item.reference, "solution": item.solution}
        for item in TASK.items("search")
    ]
    lines = [json.dumps(doc) for doc in docs]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    # lm-eval looks for functions in files beside the tasks'.
    scoring = f"from {__name__} import generated_results, likelihood_results\n"
    (folder / "scoring.py").write_text(scoring, encoding="utf-8")
    settings = TASK.generation
    for metric, kind in ((EXACT_MATCH, _GENERATED), (TARGET_BITS_PER_CHAR, _COMPARED)):
        text = (_DATA + kind).format(
            name=NAMES[metric],
            metric=metric,
            folder=folder,
            stop=json.dumps(settings.stop),
            tokens=settings.max_new_tokens,
        )
        (folder / f"{NAMES[metric]}.yaml").write_text(text, encoding="utf-8")


def generated_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The score of one answer; `doc` is a line of `test.jsonl`."""
    answer = Completion(results[0], truncated=False, tokens=0)
    return {EXACT_MATCH: TASK.score(_item(doc), answer).value}


def likelihood_results(
    doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]
) -> dict[str, float]:
    """The score of one solution, from the logarithm of its likelihood and whether it is what the
    model would write."""
    likelihood = Likelihood(*results[0])
    return {TARGET_BITS_PER_CHAR: TargetLikelihood(TASK).judge(_item(doc), [likelihood]).value}


def _item(doc: Mapping[str, Any]) -> Item:
    return Item(id="", prompt=doc["prompt"], reference=doc["reference"], solution=doc["solution"])
