"""A data-flow space searched over the bundled models, and its child exported."""

from __future__ import annotations

from pathlib import Path

from merging.dataflow.path import read_path
from merging.recipe import Recipe
from search.baselines import parent_recipe
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.samplers.base import Outcome
from search.spaces import make_space
from search.spec import ModelShape, SearchSpec
from tests.zoo_spec import zoo_spec
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate, WriteCheckpoint

ROOT = Path(__file__).resolve().parents[2]
TASK = "word_problems_ja"


def _spec() -> SearchSpec:
    stage = {
        "name": "layers",
        "space": {"kind": "dataflow", "parents": ["base", "ja"], "repeats": 2},
        "sampler": {"kind": "cmaes", "population": 4},
        "budget": {"trials": 12},
    }
    return SearchSpec.parse(zoo_spec(stages=[stage]))


def _context(models: dict[str, Path]) -> Context:
    return Context(
        models=models,
        digests={},
        tasks={TASK: "exact_match"},
        tasks_dir=None,
        search_items=24,
        device="cpu",
    )


def _scores(evaluator: Evaluator, recipe: Recipe) -> tuple[float, ...]:
    work = Evaluate("one", _CONTEXT, recipe.model_dump_json(exclude_none=True), "search", 60.0)
    return evaluator.evaluate(work, "here").scores[TASK].values


_CONTEXT = _context({f"zoo/{name}": ROOT / "zoo" / name for name in ("base", "maths", "ja")})


def test_a_search_over_paths_and_its_export(tmp_path: Path) -> None:
    spec = _spec()
    (stage,) = spec.stages
    shapes = {alias: ModelShape(4, tied_embeddings=True) for alias in spec.models}
    space = make_space(spec, stage, shapes)
    evaluator = Evaluator(_CONTEXT)

    # The initial genome is the first parent, item by item.
    parent = _scores(evaluator, parent_recipe("zoo/base"))
    assert 0 < sum(parent) < 24
    initial = space.decode([gene.initial for gene in space.genes])
    assert _scores(evaluator, initial) == parent

    sampler = make_sampler(chosen_sampler(stage, space.genes), space.genes, spec.seed, 0)
    seen: list[tuple[float, Recipe]] = []
    assert stage.budget.trials is not None
    for first in range(0, stage.budget.trials, sampler.batch):
        for number, genome in enumerate(sampler.ask(sampler.batch), start=first):
            recipe = space.decode(genome)
            values = _scores(evaluator, recipe)
            assert len(values) == 24
            mean = sum(values) / len(values)
            sampler.tell(number, tuple(genome), Outcome(values=(mean,), n=1))
            seen.append((mean, recipe))
    # Scored right after others, the parent is what it was.
    assert _scores(evaluator, parent_recipe("zoo/base")) == parent

    mixed = [entry for entry in seen if len(entry[1].model_names()) == 2]
    mean, best = max(mixed, key=lambda entry: entry[0])
    assert mean > 0
    path = read_path(best)
    assert path is not None
    assert any(hop.scale != 1 for hop in path.hops)
    text = best.model_dump_json(exclude_none=True)
    evaluator.write(WriteCheckpoint("two", _CONTEXT, text, tmp_path / "child", 60.0), "here")
    exported = Evaluator(_context({"child": tmp_path / "child"}))
    assert _scores(exported, parent_recipe("child")) == _scores(evaluator, best)
