"""When a search has arrived, what it has cost by then, and that both are asked the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from lm_eval.tasks import TaskManager

from benchmarks.process import LineProcess, descendants_cpu_seconds
from benchmarks.search_demo import SPEC, job_spec
from benchmarks.search_runs import (
    CUVEE,
    CUVEE_ACCURACY,
    PEER,
    PEER_BATCH_1,
    PEER_LIKELIHOOD,
    Candidate,
    Judgement,
    Run,
    in_flight,
    judged,
    ratios,
    read,
    write,
)
from benchmarks.search_task import NAMES, TASK, generated_results, write_tasks
from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR
from evaluators.lm_eval_bridge import LmEvalTask, load_lm_eval_task
from evaluators.target_likelihood import TargetLikelihood
from evaluators.task import SPLITS, Likelihood
from search.spec import SearchSpec

TARGET = 0.6


def _candidate(number: int, fitness: float, holdout: float) -> Candidate:
    return Candidate(fitness, 10.0 * number, 5.0 * number, 100 * number, number, str(holdout))


def _run(candidates: list[Candidate], cap: float = 100.0) -> Run:
    judgement = Judgement(float, TARGET)
    return judged(candidates, judgement, way=CUVEE, seed=1, cap=cap, settings={})


def test_a_search_arrives_with_the_first_best_candidate_that_solves_enough_on_holdout() -> None:
    run = _run(
        [
            _candidate(1, 0.58, 0.55),
            # Better on holdout, but nobody would have known.
            _candidate(2, 0.57, 0.65),
            _candidate(3, 0.62, 0.61),
            _candidate(4, 0.70, 0.70),
        ]
    )
    assert run.reached
    assert (run.seconds, run.cpu_seconds, run.tokens, run.candidates) == (30.0, 15.0, 300, 3)
    assert (run.fitness, run.holdout_accuracy) == (0.62, 0.61)


def test_a_search_that_does_not_arrive_is_censored_at_the_cap() -> None:
    late = _run([_candidate(1, 0.58, 0.55), _candidate(2, 0.7, 0.7)], cap=15.0)
    assert not late.reached
    assert (late.seconds, late.tokens, late.holdout_accuracy) == (15.0, 100, 0.55)
    ended = _run([_candidate(1, 0.58, 0.55)])
    assert not ended.reached
    assert ended.seconds == ended.cap
    assert _run([]).candidates == 0


def test_a_candidate_far_below_the_target_is_not_judged() -> None:
    asked: list[str] = []

    def accuracy(recipe: str) -> float:
        asked.append(recipe)
        return 1.0

    judgement = Judgement(accuracy, TARGET)
    assert not judgement.reached(_candidate(1, 0.2, 0.0))
    assert judgement.reached(_candidate(2, 0.5, 0.1))
    assert asked == ["0.1"]


def test_no_candidate_is_asked_for_after_the_target() -> None:
    pending = iter([_candidate(1, 0.7, 0.7), _candidate(2, 0.8, 0.8)])
    assert judged(pending, Judgement(float, TARGET), way=PEER, seed=1, cap=99, settings={}).reached
    assert next(pending).number == 2


def test_ratios_are_over_seeds_that_both_have() -> None:
    def run(way: str, seed: int, seconds: float, tokens: int, *, reached: bool = True) -> Run:
        return Run(way, seed, 100.0, reached, seconds, seconds, tokens, 1, 0.7, 0.7, {})

    runs = [
        run(CUVEE, 1, 10.0, 100),
        run(CUVEE, 2, 20.0, 200),
        run(CUVEE, 3, 1.0, 1),
        run(PEER, 1, 50.0, 600),
        run(PEER, 2, 100.0, 600, reached=False),
    ]
    found = ratios(runs, PEER)
    assert found is not None
    assert (found["seeds"], found["censored"], found["censored_peer"]) == (2, 0, 1)
    assert found["wall_speedup"] == pytest.approx(5.0)
    assert found["token_ratio"] == pytest.approx(0.25)
    assert ratios(runs, PEER_BATCH_1) is None
    assert ratios(runs, PEER, own=CUVEE_ACCURACY) is None
    assert ratios(runs, PEER_LIKELIHOOD) is None
    other = [*runs, run(CUVEE_ACCURACY, 1, 25.0, 300)]
    by_accuracy = ratios(other, PEER, own=CUVEE_ACCURACY)
    assert by_accuracy is not None
    assert by_accuracy["wall_speedup"] == pytest.approx(2.0)
    assert ratios(other, PEER) == found
    # Nothing ended before the cap.
    nothing = ratios([run(CUVEE, 1, 10.0, 100), run(PEER, 1, 100.0, 0, reached=False)], PEER)
    assert nothing is not None
    assert nothing["token_ratio"] is None


def test_the_file_keeps_every_run(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    assert read(path) == []
    runs = [_run([_candidate(1, 0.7, 0.7)]), _run([_candidate(1, 0.2, 0.2)])]
    write(path, runs, TARGET)
    assert read(path) == runs
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures["wall_speedup"] is figures["token_ratio"] is None


def test_tokens_in_flight_are_counted_whole() -> None:
    assert list(in_flight([5, 6, 7], 1)) == [5, 11, 18]
    assert list(in_flight([5, 6, 7], 2)) == [11, 18, 18]


def test_the_peer_is_asked_the_items_of_the_job(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    task = load_lm_eval_task(NAMES[EXACT_MATCH], tmp_path)
    assert isinstance(task, LmEvalTask)
    ours = {(one.prompt, one.reference) for one in TASK.items("search")}
    theirs = [(one.prompt, one.reference) for split in SPLITS for one in task.items(split)]
    assert len(theirs) == len(ours)
    assert set(theirs) == ours
    assert task.generation == TASK.generation


def test_the_peer_is_asked_for_the_likelihood_of_the_jobs_solutions(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    name, metric = NAMES[TARGET_BITS_PER_CHAR], TARGET_BITS_PER_CHAR
    task = TaskManager(include_path=str(tmp_path), include_defaults=False).load(name)["tasks"][name]
    task.build_all_requests(rank=0, world_size=1)
    own = TargetLikelihood(TASK)
    items = own.items("search")
    assert [one.args for one in task.instances] == [own.texts(item)[0] for item in items]
    for number, (instance, item) in enumerate(zip(task.instances, items, strict=True)):
        log = -0.1 * number
        expected = own.judge(item, [Likelihood(log, greedy=False)]).value
        assert task.process_results(instance.doc, [(log, False)]) == {metric: expected}


def test_the_peers_answers_are_scored_as_the_jobs() -> None:
    item = TASK.items("search")[0]
    doc = {"prompt": item.prompt, "reference": item.reference, "solution": item.solution}
    assert item.solution
    assert generated_results(doc, [item.solution]) == {EXACT_MATCH: 1.0}
    # A right number in another language is none.
    assert generated_results(doc, [f" The answer is {item.reference}."]) == {EXACT_MATCH: 0.0}


def test_the_job_is_the_demos() -> None:
    demo = SearchSpec.parse(yaml.safe_load(SPEC.read_text(encoding="utf-8")))
    by_accuracy = SearchSpec.parse(job_spec(3, 60.0, "racing"))
    by_likelihood = SearchSpec.parse(job_spec(3, 60.0, None))
    for asked in (by_accuracy, by_likelihood):
        assert asked.stages[0].space == demo.stages[0].space
        assert asked.models == demo.models
        assert [one.metric for one in asked.tasks] == [one.metric for one in demo.tasks]
        assert asked.stages[0].budget.seconds == 60.0
    assert by_accuracy.tasks == demo.tasks
    assert by_accuracy.allocation.kind == "racing"
    assert by_likelihood.tasks[0].search_metric == "target_bits_per_char"


def test_processor_time_of_children_is_counted() -> None:
    before = descendants_cpu_seconds()
    busy = "while True: pass"
    with LineProcess([sys.executable, "-c", busy]):
        while descendants_cpu_seconds() < before + 0.1:
            pass
