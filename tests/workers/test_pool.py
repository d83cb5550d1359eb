"""The pool on a real Ray: results come back once, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from merging.recipe import Recipe
from search.baselines import parent_recipe
from tests.tiny import write_llama
from workers.cluster import local_cluster
from workers.pool import ATTEMPTS, Pool
from workers.work import Context, Evaluate, Result, WriteCheckpoint

_MEMORY = 4 * 2**30


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with local_cluster(2):
        pool = Pool(2, _MEMORY)
        deadline = time.monotonic() + 120
        while pool.free < 2:
            assert time.monotonic() < deadline
            pool.wait(0.2)
        yield pool
        pool.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tasks").mkdir()
    lines = [f'{{"id": "q{n}", "prompt": "one and {n} is ?", "answer": "{n}"}}' for n in range(10)]
    (folder / "tasks" / "sums.jsonl").write_text("\n".join(lines))
    return Context(
        models={name: write_llama(folder / name, seed) for seed, name in enumerate("ab")},
        digests={},
        tasks={"jsonl:sums": "exact_match"},
        tasks_dir=folder / "tasks",
        search_items=None,
        device="cpu",
    )


def _evaluate(context: Context, name: str, recipe: Recipe, timeout: float = 120.0) -> Evaluate:
    return Evaluate(name, context, recipe.model_dump_json(exclude_none=True), "search", timeout)


def _drain(pool: Pool, count: int, seconds: float = 120.0) -> list[Result]:
    deadline = time.monotonic() + seconds
    results: list[Result] = []
    while len(results) < count:
        assert time.monotonic() < deadline
        results += pool.wait(0.2)
    return results


def _worker_processes() -> list[int]:
    """Process ids of live Ray actors of this test's cluster."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command = (folder / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if command.startswith(b"ray::Worker"):
                found.append(int(folder.name))
    return found


def test_every_piece_of_work_ends_in_one_result(pool: Pool, context: Context) -> None:
    for number in range(6):
        pool.submit(_evaluate(context, f"work-{number}", parent_recipe("ab"[number % 2])))
    doing = pool.occupations()
    assert {one.work_id for one in doing} == {"work-0", "work-1"}
    assert all(one.since is not None and abs(time.time() - one.since) < 60 for one in doing)
    results = {result.id: result for result in _drain(pool, 6)}
    assert sorted(results) == [f"work-{number}" for number in range(6)]
    assert all(result.reason is None for result in results.values())
    scores = [results[f"work-{n}"].scores["jsonl:sums"].values for n in range(6)]
    assert scores[0] == scores[2] == scores[4]
    assert {one.node for one in pool.occupations()} == {socket.gethostname()}
    assert {one.work_id for one in pool.occupations()} == {None}
    assert pool.wait(0.1) == []


def test_a_candidate_that_cannot_be_built_is_a_result_and_the_worker_lives(
    pool: Pool, context: Context
) -> None:
    pool.submit(_evaluate(context, "broken", parent_recipe("nobody")))
    (result,) = _drain(pool, 1)
    assert result.reason is not None
    assert "nobody" in result.reason
    pool.submit(_evaluate(context, "fine", parent_recipe("a")))
    assert _drain(pool, 1)[0].reason is None


def test_a_killed_worker_is_replaced_and_its_work_done(pool: Pool, context: Context) -> None:
    # Both begin at once, and both workers are killed, whatever they are at by then.
    pool.submit(_evaluate(context, "first", parent_recipe("a")))
    pool.submit(_evaluate(context, "second", parent_recipe("b")))
    while len(processes := _worker_processes()) < 2:
        time.sleep(0.05)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    results = _drain(pool, 2)
    assert {result.id for result in results} == {"first", "second"}
    assert all(result.reason is None for result in results)


@pytest.mark.parametrize(
    ("deed", "timeout", "reason"),
    [
        # Each starts some workers anew, which import torch; tests/faults has these with light ones.
        pytest.param(
            *("os.kill(os.getpid(), signal.SIGSEGV)", 120.0, f"died {ATTEMPTS} times"),
            marks=pytest.mark.long,
        ),
        pytest.param(*("time.sleep(3600)", 10.0, "took longer than 10 s"), marks=pytest.mark.long),
        ("[bytearray(1 << 28) for _ in range(1 << 10)]", 120.0, "MemoryError"),
    ],
)
def test_a_poison_candidate_ends_with_its_reason(
    pool: Pool,
    context: Context,
    tmp_path: Path,
    *,
    deed: str,
    timeout: float,
    reason: str,
) -> None:
    poisoned = replace(
        context, tasks={"lm_eval:poison": "exact_match"}, tasks_dir=_poison(tmp_path, deed)
    )
    pool.submit(_evaluate(poisoned, "poison", parent_recipe("a"), timeout))
    (result,) = _drain(pool, 1)
    assert result.reason is not None
    assert reason in result.reason
    pool.submit(_evaluate(context, "next", parent_recipe("a")))
    assert _drain(pool, 1)[0].reason is None


def test_a_candidate_of_no_finite_weights_ends_with_its_reason(
    pool: Pool, context: Context
) -> None:
    endless = {
        "merge_method": "linear",
        "models": [{"model": "a", "parameters": {"weight": 1e39}}],
        "parameters": {"normalize": False},
    }
    pool.submit(_evaluate(context, "endless", Recipe.model_validate(endless)))
    (result,) = _drain(pool, 1)
    assert result.reason is not None
    assert "NonFiniteError" in result.reason


def _poison(folder: Path, deed: str) -> Path:
    """An operator's lm-eval task whose prompt is made by code that does the deed."""
    code = f"import os, signal, time\n\n\ndef prompt(doc):\n    {deed}\n"
    (folder / "poison.py").write_text(code)
    (folder / "items.jsonl").write_text('{"question": "one ?", "answer": "1"}\n' * 4)
    (folder / "poison.yaml").write_text(
        f"""
task: poison
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder / "items.jsonl"}}}}}
test_split: test
output_type: generate_until
doc_to_text: !function poison.prompt
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["."], max_gen_toks: 4}}
metric_list: [{{metric: exact_match}}]
"""
    )
    return folder


def test_withdrawn_work_gives_no_result(pool: Pool, context: Context) -> None:
    for number in range(4):
        pool.submit(_evaluate(context, f"work-{number}", parent_recipe("a")))
    pool.withdraw({f"work-{number}" for number in range(3)})
    assert [result.id for result in _drain(pool, 1)] == ["work-3"]
    deadline = time.monotonic() + 120
    while pool.free < 2:
        assert time.monotonic() < deadline
        assert pool.wait(0.1) == []


def test_a_checkpoint_is_written(pool: Pool, context: Context, tmp_path: Path) -> None:
    recipe = parent_recipe("a").model_dump_json(exclude_none=True)
    pool.submit(WriteCheckpoint("export", context, recipe, tmp_path / "child", 120.0))
    (result,) = _drain(pool, 1)
    assert result.reason is None
    assert (tmp_path / "child" / "model.safetensors").is_file()
