"""The model card of an exported child: metadata for the hub, and what people ask.

Its metadata follows the hub's specification of model cards; results are a model-index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from huggingface_hub import EvalResult, ModelCardData

from merging.extensions import extensions
from service.evaluations.schemas import Accuracy
from service.exports.evidence import Evidence

FIGURE = "search.svg"
EVIDENCE = "evidence.json"
_RECIPE_CHARACTERS = 20_000


def model_card(evidence: Evidence, repository: str | None) -> str:
    """README.md: YAML metadata and Markdown. `repository` is where it will lie, if known."""
    title = repository.partition("/")[2] if repository else evidence.job.name
    metadata = _metadata(evidence, title).to_yaml()
    sections = [
        f"# {title}",
        _opening(evidence),
        *_results(evidence),
        *_warnings(evidence),
        *_recipe(evidence),
        *_search(evidence),
        *_use(repository),
    ]
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(sections) + "\n"


def _metadata(evidence: Evidence, title: str) -> ModelCardData:
    repositories = [parent.repository for parent in evidence.parents if parent.repository]
    languages = dict.fromkeys(
        language for parent in evidence.parents for language in parent.card.languages
    )
    return ModelCardData(
        model_name=title,
        base_model=list(dict.fromkeys(repositories)) or None,
        language=list(languages) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["merge", "cuvee", evidence.recipe.merge_method],
        eval_results=list(_eval_results(evidence)) or None,
        license=evidence.licence.licence,
        license_name=evidence.licence.name,
        license_link=evidence.licence.link,
        base_model_relation="merge" if repositories else None,
    )


def _eval_results(evidence: Evidence) -> Iterator[EvalResult]:
    metrics = {entry["task"]: entry["metric"] for entry in evidence.job.spec["tasks"]}
    for task, accuracy in evidence.accuracies.items():
        metric = metrics[task].partition(",")[0]
        yield EvalResult(
            task_type="text-generation",
            dataset_type=re.sub(r"[^A-Za-z0-9._-]+", "-", task),
            dataset_name=task,
            dataset_split=evidence.split,
            metric_type=metric,
            metric_name=metric,
            metric_value=round(accuracy.accuracy, 6),
            metric_args={
                "n": accuracy.n,
                "low_95": round(accuracy.low, 6),
                "high_95": round(accuracy.high, 6),
            },
        )


def _opening(evidence: Evidence) -> str:
    names = ", ".join(_linked(parent.alias, parent.repository) for parent in evidence.parents)
    best = "the winner" if evidence.trial.number == evidence.job.winner else "a candidate"
    return (
        f"A merge of {names} by `{evidence.recipe.merge_method}`: trial {evidence.trial.number} of "
        f"{len(evidence.trials)}, {best} of a search by Cuvee."
    )


def _linked(alias: str, repository: str | None) -> str:
    return f"[{repository}](https://huggingface.co/{repository})" if repository else f"`{alias}`"


def _results(evidence: Evidence) -> Iterator[str]:
    yield "## Results"
    if evidence.split != "holdout" or not evidence.accuracies:
        yield _table(
            ["task, search split", "accuracy", "95 % interval", "n"],
            [[task, *_figures(one)] for task, one in evidence.accuracies.items()],
        )
        return
    yield (
        "On held-out items, scored once, after the winner was fixed on items of their own. p is "
        "McNemar's exact test of the winner against the row, on the same items."
    )
    for task in evidence.accuracies:
        rows = []
        for one in evidence.result.holdout:
            if task in one.accuracies:
                against = one.against_winner.get(task)
                name = one.name if against else f"**{one.name} (this model)**"
                p = f"{against.p:.2g}" if against else ""
                rows.append([name, one.kind, *_figures(one.accuracies[task]), p])
        yield _table([f"`{task}`", "", "accuracy", "95 % interval", "n", "p"], rows)


def _figures(one: Accuracy) -> list[str]:
    return [f"{one.accuracy:.1%}", f"{one.low:.1%} – {one.high:.1%}", str(one.n)]


def _warnings(evidence: Evidence) -> Iterator[str]:
    if evidence.warnings:
        yield "## Mind"
        yield "\n".join(f"- {warning}" for warning in evidence.warnings)


def _recipe(evidence: Evidence) -> Iterator[str]:
    yield "## Recipe"
    yield _table(
        ["model", "reference", "licence", "content (SHA-256)"],
        [
            [parent.alias, f"`{parent.ref}`", parent.card.licence, f"`{parent.digest[:16]}…`"]
            for parent in evidence.parents
        ],
    )
    notes = extensions(evidence.recipe)
    if notes:
        yield "In mergekit's vocabulary, but for this:\n\n" + "\n".join(f"- {one}" for one in notes)
    else:
        yield "In mergekit's vocabulary:"
    if len(evidence.recipe_yaml) <= _RECIPE_CHARACTERS:
        yield f"```yaml\n{evidence.recipe_yaml.rstrip()}\n```"
    else:
        yield "It is long: see `recipe.yaml`."


def _search(evidence: Evidence) -> Iterator[str]:
    yield "## Search"
    stages = [
        [
            stage["name"],
            stage["space"].get("method", stage["space"]["kind"]),
            stage["sampler"]["kind"],
            str(sum(trial.stage == stage["name"] for trial in evidence.trials)),
        ]
        for stage in evidence.job.spec["stages"]
    ]
    yield _table(["stage", "space", "sampler", "trials"], stages)
    yield f"![Fitness over trials]({FIGURE})"
    yield f"Every trial, finalist and comparison, and the search's spec, are in `{EVIDENCE}`."


def _use(repository: str | None) -> Iterator[str]:
    yield "## Use"
    yield (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = AutoModelForCausalLM.from_pretrained("{repository or "."}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{repository or "."}")\n```'
    )


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
