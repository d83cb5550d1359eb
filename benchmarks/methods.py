"""Every merge method searched on the bundled parents, as docs/methods.md.

Each method with parameters is one job of the real service: a stage over the method's own default
space, the finalists on select, the winner on holdout. A method without any is one trial. The page
lists the methods with their parameters and sources, and what each one's winner scored on holdout.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

import zoo
from benchmarks.fresh import Fresh
from merging.catalogue import Method, Parameter, methods
from merging.recipe import Recipe
from service.cli.local_service import local_service
from service.client import ApiError, Client
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail

ROOT = Path(zoo.__file__).parent.parent
PAGE = ROOT / "docs" / "methods.md"
FIGURES = ROOT / "docs" / "methods.json"
TASK = "word_problems_ja"
MODELS = ("base", "maths", "ja")
DATAFLOW = "dataflow"
# How it reads prompts was chosen by scores on the holdout items.
CHOSEN_ON_HOLDOUT = ("adamerging",)
# What merges the experts of one model is searched on one that has experts. Below 5 groups of its 8
# experts nothing is solved, so that a search that starts there finds nothing; 8 merge nothing.
# Steps are of one group: a few tenths are often the same child.
EXPERTS, OF_EXPERTS = "moe", "moe_merge"
GROUPS = {"low": 1, "high": 7, "initial": 6}
STEP = 1.0


@dataclass(frozen=True)
class Outcome:
    """What a method's winner, or one of the models, scored on holdout."""

    name: str
    trials: int
    genes: int
    accuracy: float
    low: float
    high: float
    n: int
    recipe: str


def main() -> None:
    """Run the searches and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="trials a search (%(default)s)")
    parser.add_argument("--methods", help="run only these, separated by commas; keep the others")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--page-only", action="store_true", help="write the page, run nothing")
    options = parser.parse_args()
    console = Console()
    if not options.page_only:
        _update(options, console)
    PAGE.write_text(page(recorded()), encoding="utf-8")
    console.print(f"written: {PAGE}")


def _update(options: argparse.Namespace, console: Console) -> None:
    """Run what is asked for, and record it beside what is known."""
    chosen = options.methods.split(",") if options.methods else searched()
    with tempfile.TemporaryDirectory(prefix="cuvee-methods-") as folder:
        fresh = run(chosen, options.trials, options.workers, Path(folder), console)
    known = {one.name: one for one in (recorded() if options.methods else [])}
    known |= {one.name: one for one in fresh}
    rows = [asdict(known[name]) for name in sorted(known)]
    FIGURES.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def recorded() -> list[Outcome]:
    """The figures of the last runs."""
    return [Outcome(**row) for row in json.loads(FIGURES.read_text(encoding="utf-8"))]


def searched() -> list[str]:
    """What is run: every method, and data-flow space."""
    return [*methods(), DATAFLOW]


def run(
    chosen: Sequence[str], trials: int, workers: int, folder: Path, console: Console
) -> list[Outcome]:
    """Search each method; a model's own score comes before the first method that takes it."""
    outcomes: list[Outcome] = []
    with local_service(folder, ROOT, workers, console) as address, Client(address) as client:
        for name in chosen:
            started = time.monotonic()
            path = folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump(spec_of(name, trials)))
            job = _finished(client, client.submit(path).id)
            scored = {one.name for one in outcomes}
            outcomes += (one for one in _outcomes(client, job, "parent") if one.name not in scored)
            (outcome,) = _outcomes(client, job, "trial")
            if name in CHOSEN_ON_HOLDOUT:
                outcome = on_fresh_items(outcome, folder / "statistics")
            outcomes.append(outcome)
            console.print(
                f"{name}: {outcome.accuracy:.1%} ({outcome.low:.1%} - {outcome.high:.1%}), "
                f"{outcome.trials} trials over {outcome.genes} genes, "
                f"{time.monotonic() - started:.0f} s"
            )
    return outcomes


def on_fresh_items(outcome: Outcome, statistics: Path) -> Outcome:
    """The winner's score on items that nothing was chosen on (`benchmarks.fresh`)."""
    score = Fresh(statistics).score(Recipe.from_yaml(outcome.recipe), TASK)
    return replace(outcome, **asdict(score))


def spec_of(name: str, trials: int) -> dict[str, Any]:
    """A search over a method's default space, or over paths."""
    models: Sequence[str] = (EXPERTS,) if name == OF_EXPERTS else MODELS
    sampler: dict[str, Any] = {"kind": "cmaes"}
    if name == DATAFLOW:
        space: dict[str, Any] = {"kind": "dataflow", "parents": list(MODELS)}
        searchable = True
    elif name == OF_EXPERTS:
        space = {"kind": "parameter", "method": name, "parents": [EXPERTS]}
        space["parameters"] = {"groups": GROUPS}
        sampler["sigma"] = STEP
        searchable = True
    else:
        space = _space_of(methods()[name])
        searchable = any(parameter.search for parameter in methods()[name].parameters)
        sampler = sampler if searchable else {"kind": "random"}
    return {
        "name": name.replace("_", "-"),
        "seed": 7,
        "models": {model: {"ref": f"zoo/{model}"} for model in models},
        "tasks": [{"task": TASK}],
        "select": {"top_k": 5},
        "stages": [
            {
                "name": "search",
                "space": space,
                "sampler": sampler,
                "budget": {"trials": trials if searchable else 1},
            }
        ],
        "baselines": {"averages": False, "grid_step": None},
    }


def _space_of(method: Method) -> dict[str, Any]:
    """The method's space on the parents that it takes."""
    base = None if method.base == "none" else "base"
    parents = [model for model in MODELS if model != base]
    if method.max_parents is not None:
        # What is trained on problems comes first, then what reads Japanese.
        parents = ["maths", "ja"][: method.max_parents]
    space: dict[str, Any] = {"kind": "parameter", "method": method.name, "parents": parents}
    if base is not None:
        space["base"] = base if method.max_parents != 1 else "ja"
    if any(parameter.search and parameter.varies for parameter in method.parameters):
        space["layer_groups"] = 4
    return space


def _finished(client: Client, job_id: str) -> JobDetail:
    while (job := client.job(job_id)).state not in ENDED:
        time.sleep(0.5)
    if job.state != "finished":
        raise ApiError([f"{job.name} is {job.state}: {job.reason}"])
    return job


def _outcomes(client: Client, job: JobDetail, kind: str) -> Iterator[Outcome]:
    best = client.best(job.id)
    (trial,) = client.trials(job.id, after=best.trial - 1, limit=1)
    for entry in client.evaluations(job.id, split="holdout", kind=kind):
        score = entry.scores[0]
        of_winner = kind == "trial"
        yield Outcome(
            name=job.name.replace("-", "_") if of_winner else entry.label,
            trials=job.trials_finished + job.trials_failed if of_winner else 0,
            genes=len(trial.genome) if of_winner else 0,
            accuracy=score.accuracy,
            low=score.low,
            high=score.high,
            n=score.n,
            recipe=best.recipe if of_winner else "",
        )


def page(outcomes: Sequence[Outcome]) -> str:
    """docs/methods.md."""
    by_name = {one.name: one for one in outcomes}
    found = [one for one in outcomes if one.trials and one.name != OF_EXPERTS]
    rows = [by_name[name] for name in MODELS]
    rows += sorted(found, key=lambda one: -one.accuracy)
    return "\n".join(
        [
            "# Merge methods",
            "",
            "Written by `python -m benchmarks.methods`; the table is measured by it.",
            "",
            "## What each one finds",
            "",
            f"The best child of a search on the bundled parents, `{TASK}`, on {rows[0].n} holdout "
            "items that no search has seen, with Wilson's 95 % intervals. Every search has the "
            "same budget and the method's default space, with four layer groups where parameters "
            "may vary by layer; a method without parameters to search is one trial. One seed: "
            "differences within the intervals say nothing about methods. `adamerging`, of which a "
            f"choice was made on these items, is scored on {by_name['adamerging'].n} others of "
            "their kind, which nothing has seen ([adamerging.md](adamerging.md)).",
            "",
            *_table(rows),
            "",
            f"`{OF_EXPERTS}` merges the experts of one model, here of `zoo/{EXPERTS}`, over "
            f"{GROUPS['low']} to {GROUPS['high']} groups, from {GROUPS['initial']} by steps of "
            f"{STEP:g} ([experts.md](experts.md)):",
            "",
            *_table([by_name[EXPERTS], by_name[OF_EXPERTS]]),
            "",
            "## What there is",
            "",
            *(line for method in methods().values() for line in _section(method)),
        ]
    )


def _table(rows: Sequence[Outcome]) -> Iterator[str]:
    yield "| | accuracy | 95 % interval | trials | genes |"
    yield "|---|---|---|---|---|"
    for one in rows:
        label = f"`{one.name}`" if one.trials else f"parent {one.name}"
        if one.name == DATAFLOW:
            label = "paths (data-flow space)"
        searched_over = f"{one.trials} | {one.genes}" if one.trials else "|"
        interval = f"{one.low:.1%} – {one.high:.1%}"
        yield f"| {label} | {one.accuracy:.1%} | {interval} | {searched_over} |"


def _section(method: Method) -> Iterator[str]:
    takes = {"required": "a base and ", "optional": "optionally a base, and ", "none": ""}
    most = method.max_parents
    count = f"{method.min_parents} or more" if most is None else f"{most}"
    yield f"### `{method.name}`"
    yield ""
    summary = method.summary[0].upper() + method.summary[1:]
    takes_models = f"takes {takes[method.base]}{count} other model(s)"
    yield f"{summary}. Source: {method.source}. A {method.form} method; {takes_models}."
    yield ""
    if method.parameters:
        yield "| parameter | of | default | limits | searched | |"
        yield "|---|---|---|---|---|---|"
        for parameter in method.parameters:
            yield _row(parameter)
        yield ""


def _row(parameter: Parameter) -> str:
    default = "required" if parameter.default is None else str(parameter.default).lower()
    low, high = parameter.low, parameter.high
    limits = "" if low is None and high is None else f"{_number(low)} to {_number(high)}"
    if parameter.kind == "switch":
        limits = "true, false"
    elif parameter.choices:
        limits = ", ".join(parameter.choices)
    found = parameter.search
    ranges = f"{found.low:g} to {found.high:g}, from {found.initial:g}" if found else ""
    of = "each parent" if parameter.per_parent else "the merge"
    cells = [f"`{parameter.name}`", of, default, limits, ranges, parameter.summary]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


if __name__ == "__main__":
    main()
