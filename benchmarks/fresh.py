"""AdaMerging's children scored on word problems that no search and no choice has seen.

Whose entropy AdaMerging lowers was chosen by scores on the tasks' holdout items, which therefore
favour it. The problems here are drawn by another seed, of wordings and computations that belong to
the holdout part alone, less those that a task has too. Prints the table of docs/adamerging.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import AutoTokenizer

import zoo
from evaluators.intervals import wilson
from evaluators.scoring import PreparedTask
from evaluators.task import SPLITS
from evaluators.tasks import load_task
from merging.engine import MergeEngine
from merging.recipe import Recipe
from workers.preparing import Preparing

ROOT = Path(zoo.__file__).parent.parent
FIGURES = ROOT / "docs" / "methods.json"
MODELS = ("zoo/base", "zoo/maths", "zoo/ja")
TASKS = ("word_problems_ja", "word_problems_en")
SEED = 1


@dataclass(frozen=True)
class Score:
    """The share of `n` fresh items that are solved, with Wilson's 95 % interval."""

    accuracy: float
    low: float
    high: float
    n: int


def main() -> None:
    """Score the parents and AdaMerging's children, and print a row each."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"| | {' | '.join(f'`{task}`' for task in TASKS)} |")
    print("|---" * (1 + len(TASKS)) + "|")
    with TemporaryDirectory(prefix="cuvee-fresh-") as folder:
        fresh = Fresh(Path(folder))
        for label, recipe in _recipes().items():
            scores = [fresh.score(recipe, task) for task in TASKS]
            cells = [
                f"{100 * s.accuracy:.1f} [{100 * s.low:.1f}, {100 * s.high:.1f}]" for s in scores
            ]
            print(f"| {label} | {' | '.join(cells)} |", flush=True)
    print(f"n = {' and '.join(str(one.n) for one in scores)}")


class Fresh:
    """Builds children of the bundled parents, by recipes with their references for names, and
    scores them; `statistics` is a folder for what data-driven methods compute."""

    def __init__(self, statistics: Path) -> None:
        models = {name: ROOT / name for name in MODELS}
        self._engine = MergeEngine(models)
        self._preparing = Preparing(self._engine, models, _tokenizer, None, statistics)
        self._tasks: dict[str, PreparedTask] = {}

    def score(self, recipe: Recipe, task: str) -> Score:
        """The child's score on a task's fresh items."""
        if task not in self._tasks:
            tokenizer = _tokenizer(self._engine.tokenizer_folder(recipe))
            self._tasks[task] = fresh_items(task, tokenizer)
        child = self._engine.merge(recipe, self._preparing.measured(recipe))
        values = self._tasks[task].score(child).values
        low, high = wilson(sum(values), len(values))
        return Score(sum(values) / len(values), low, high, len(values))


def fresh_items(name: str, tokenizer: Any) -> PreparedTask:
    """The holdout items of another seed that the task itself has in no split."""
    known = {item.prompt for split in SPLITS for item in load_task(name).items(split)}
    drawn = PreparedTask(load_task(name, seed=SEED), "holdout", tokenizer)
    return drawn.part([i for i, item in enumerate(drawn.items) if item.prompt not in known])


def _recipes() -> Mapping[str, Recipe]:
    equal = {"weight": 0.3}
    rows = {f"parent {name.removeprefix('zoo/')}": _recipe("linear", [name]) for name in MODELS}
    rows["task arithmetic, both weights 0.3"] = _recipe("task_arithmetic", parameters=equal)
    both = {"zoo/maths": "word_problems_en"}
    rows["adamerging on both languages' prompts, 500 steps"] = _adamerging(both, steps=500)
    for steps in (100, 500, 2000):
        rows[f"adamerging on Japanese prompts, {steps} steps"] = _adamerging(steps=steps)
    found = {row["name"]: row["recipe"] for row in json.loads(FIGURES.read_text(encoding="utf-8"))}
    for method in ("task_arithmetic", "adamerging"):
        rows[f"winner of a search with `{method}`"] = Recipe.from_yaml(found[method])
    return rows


def _adamerging(of_models: Mapping[str, str] | None = None, *, steps: int) -> Recipe:
    texts = {"task": TASKS[0], "models": dict(of_models or {})}
    return _recipe("adamerging", parameters={"steps": steps}, calibration=texts)


def _recipe(method: str, models: Sequence[str] = MODELS[1:], **more: Any) -> Recipe:
    base = {} if method == "linear" else {"base_model": MODELS[0]}
    listed = [{"model": name} for name in models]
    return Recipe.parse({"merge_method": method, "models": listed} | base | more)


@cache
def _tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    main()
